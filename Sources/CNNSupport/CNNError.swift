import Glibc

/// What went wrong, where, and what the user can do about it. The tools print its `description` and exit 1.
public struct CNNError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What happened, a clause without a full stop: "the file is truncated".
  public var what: String
  /// A path, section, layer or option; "" where there is nothing to point at.
  public var place: String
  /// What to do, a clause without a full stop; "" where `what` says it all.
  public var advice: String

  public init(_ what: String, at place: String = "", advice: String = "") {
    self.what = what
    self.place = place
    self.advice = advice
  }

  /// A failed system call: `action` ("cannot open the file") and the text of `errno`.
  public static func system(_ action: String, at place: String, errno code: Int32 = errno) -> CNNError {
    CNNError("\(action): \(String(cString: strerror(code)))", at: place)
  }

  /// The same error inside something larger: "model.cnn" around "layer conv1".
  public func inside(_ outer: String) -> CNNError {
    CNNError(what, at: place.isEmpty ? outer : "\(outer), \(place)", advice: advice)
  }

  public var description: String {
    (place.isEmpty ? "" : place + ": ") + what + (advice.isEmpty ? "" : "; " + advice)
  }
}
