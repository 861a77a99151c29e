/// What the command line asks for. Strings are the arguments themselves and live as long as the process.
struct Options {
  var model: UnsafePointer<CChar>?
  var isa: UnsafePointer<CChar>?
  var npy: UnsafePointer<CChar>?
  var saveNpy: UnsafePointer<CChar>?
  var top = 5
  var threads = 1
  var json = false
  var time = false
  var selfTest = false
  var help = false
  var version = false
  var images: [UnsafePointer<CChar>] = []

  init(_ arguments: UnsafeBufferPointer<UnsafePointer<CChar>>) throws(UsageError) {
    var reader = ArgumentReader(arguments)
    while let argument = reader.next() {
      switch argument {
      case .word(let image): images.append(image)
      case .flag: try read(flag: &reader)
      }
    }
    try check()
  }

  private mutating func read(flag reader: inout ArgumentReader) throws(UsageError) {
    if reader.flag(is: "--model") || reader.flag(is: "-m") {
      model = try reader.value()
    } else if reader.flag(is: "--top") {
      top = try reader.number(1...1_000_000, "needs a number from 1 to 1000000")
    } else if reader.flag(is: "--threads") {
      threads = try reader.number(1...64, "needs a number from 1 to 64")
    } else if reader.flag(is: "--isa") {
      isa = try reader.value()
    } else if reader.flag(is: "--npy") {
      npy = try reader.value()
    } else if reader.flag(is: "--save-npy") {
      saveNpy = try reader.value()
    } else if reader.flag(is: "--json") {
      json = try reader.isSet()
    } else if reader.flag(is: "--time") {
      time = try reader.isSet()
    } else if reader.flag(is: "--self-test") {
      selfTest = try reader.isSet()
    } else if reader.flag(is: "--help") || reader.flag(is: "-h") {
      help = try reader.isSet()
    } else if reader.flag(is: "--version") {
      version = try reader.isSet()
    } else {
      throw UsageError(reader.argument, "is not an option of cnn-infer")
    }
  }

  private func check() throws(UsageError) {
    if help || version { return }
    if saveNpy != nil && npy == nil { throw UsageError("--save-npy", "needs --npy INPUT") }
    if npy != nil, let image = images.first {
      throw UsageError(image, "is an image beside --npy: give one or the other")
    }
    if images.filter(isStandardInput).count > 1 {
      throw UsageError("-", "is there twice: standard input can be read once")
    }
    if images.isEmpty && npy == nil && !selfTest {
      throw UsageError("IMAGE", "is missing: give at least one PNG or JPEG")
    }
  }
}

/// "-" in place of a file that is read.
func isStandardInput(_ path: UnsafePointer<CChar>) -> Bool { equal(path, "-") }

/// A mistake in the command line: exit code 2.
struct UsageError: Error {
  var text = Text()

  init(_ argument: UnsafePointer<CChar>, _ problem: StaticString) {
    text.append(cString: argument)
    finish(problem)
  }

  init(_ argument: StaticString, _ problem: StaticString) {
    text.append(argument)
    finish(problem)
  }

  private mutating func finish(_ problem: StaticString) {
    text.append(" ")
    text.append(problem)
    text.append("; see cnn-infer --help")
  }
}

/// Walks the command line: `--flag`, `--flag value`, `--flag=value`, `--` before words that begin with a hyphen.
struct ArgumentReader {
  enum Argument {
    case word(UnsafePointer<CChar>)
    case flag
  }

  private var rest: UnsafeBufferPointer<UnsafePointer<CChar>>.SubSequence
  private var onlyWords = false
  /// The flag that was read last, as it stands in the command line.
  private(set) var argument: UnsafePointer<CChar>
  private var nameCount = 0

  /// - Parameter arguments: the program's name and its arguments
  init(_ arguments: UnsafeBufferPointer<UnsafePointer<CChar>>) {
    argument = arguments[0]
    rest = arguments.dropFirst()
  }

  mutating func next() -> Argument? {
    guard let text = rest.popFirst() else { return nil }
    if !onlyWords && equal(text, "--") {
      onlyWords = true
      return next()
    }
    let hyphen = CChar(UInt8(ascii: "-"))
    if onlyWords || text[0] != hyphen || text[1] == 0 { return .word(text) }
    argument = text
    nameCount = 0
    while text[nameCount] != 0 && text[nameCount] != CChar(UInt8(ascii: "=")) { nameCount += 1 }
    return .flag
  }

  func flag(is name: StaticString) -> Bool {
    guard nameCount == name.utf8CodeUnitCount else { return false }
    for index in 0..<nameCount where UInt8(bitPattern: argument[index]) != name.utf8Start[index] { return false }
    return true
  }

  /// True, for a flag that takes no value.
  func isSet() throws(UsageError) -> Bool {
    if argument[nameCount] != 0 { throw UsageError(argument, "takes no value") }
    return true
  }

  mutating func value() throws(UsageError) -> UnsafePointer<CChar> {
    if argument[nameCount] != 0 { return argument + nameCount + 1 }
    guard let value = rest.popFirst() else { throw UsageError(argument, "needs a value") }
    return value
  }

  mutating func number(_ range: ClosedRange<Int>, _ problem: StaticString) throws(UsageError) -> Int {
    let flag = argument
    var next = try value()
    var number = next.pointee == 0 ? -1 : 0
    while next.pointee != 0 && number >= 0 {
      let digit = Int(next.pointee) - Int(UInt8(ascii: "0"))
      number = (0...9).contains(digit) && number <= range.upperBound ? number * 10 + digit : -1
      next += 1
    }
    if !range.contains(number) { throw UsageError(flag, problem) }
    return number
  }
}
