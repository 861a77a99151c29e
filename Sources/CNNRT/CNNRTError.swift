import CCNNRT

/// What went wrong in libcnnrt, where, and what to do about it. Every throwing call of this module throws this type.
public struct CNNRTError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The kind of failure; the raw values are those of `cnnrt_status`.
  public enum Status: UInt32, CustomStringConvertible, Sendable {
    /// The call is wrong: mend the program.
    case invalidArgument = 1
    /// The file cannot be opened, read or mapped.
    case io = 2
    /// The bytes are not a valid bundle, or damaged.
    case format = 3
    /// A valid bundle that needs a newer library, or a processor feature that is not there.
    case unsupported = 4
    /// There is not as much memory as is needed.
    case outOfMemory = 5
    /// The bundle asks for more than a limit in the options allows.
    case limit = 6
    /// The order of the calls is wrong: output before run, …
    case state = 7
    /// The self-test's outputs differ from the expected ones.
    case selfTest = 8
    /// A thread cannot be started.
    case thread = 9
    /// A status that this version of the wrapper does not know.
    case unknown = 0

    /// "out of memory", …
    public var description: String {
      self == .unknown ? "unknown status" : String(cString: cnnrt_status_string(cnnrt_status(rawValue: rawValue)))
    }
  }

  /// The kind of failure.
  public var status: Status
  /// errno, or 0.
  public var systemError: Int32
  /// Byte in the file, if one is to blame.
  public var offset: UInt64?
  /// File, section, layer or argument, or "".
  public var place: String
  /// What happened and what to do.
  public var message: String

  /// Where, and what to do: one line for the user.
  public var description: String { place.isEmpty ? message : "\(place): \(message)" }

  init(_ status: cnnrt_status, _ error: cnnrt_error) {
    self.status = Status(rawValue: UInt32(status.rawValue)) ?? .unknown
    systemError = error.system_error
    offset = error.offset == .max ? nil : error.offset
    place = text(error.where)
    let said = text(error.message)
    message = said.isEmpty ? String(cString: cnnrt_status_string(status)) : said
  }

  /// A wrong argument that the wrapper itself notices.
  package static func wrongArgument(_ place: String, _ message: String) -> CNNRTError {
    CNNRTError(status: .invalidArgument, place: place, message: message)
  }

  private init(status: Status, place: String, message: String) {
    self.status = status
    self.place = place
    self.message = message
    systemError = 0
    offset = nil
  }
}

/// Calls a function of the C interface and throws what it reports.
package func check(_ call: (UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status) throws(CNNRTError) {
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  error.offset = .max
  let status = call(&error)
  if status != CNNRT_OK { throw CNNRTError(status, error) }
}

/// The text in an array of C characters.
private func text<Characters: BitwiseCopyable>(_ characters: Characters) -> String {
  withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
