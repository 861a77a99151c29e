/// JSON with the keys in the order they are written: reports that a person may read and a diff may compare.
///
///     let report: JSON = ["file_bytes": 16384, "layers": [["name": "conv1", "sqnr_db": 41.5]]]
///     print(report.text)
public enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  /// Written with all digits that matter; what is not finite becomes null, as JSON has no word for it.
  case number(Double)
  case string(String)
  case array([JSON])
  case object([(key: String, value: JSON)])

  /// A Float with its own few digits: 0.1, not 0.10000000149.
  public static func float(_ value: Float) -> JSON { .number(Double(value.description) ?? Double(value)) }

  public static func == (a: JSON, b: JSON) -> Bool { a.line == b.line }

  /// Indented by two spaces; arrays and objects that hold only plain values and are short stay on one line.
  public var text: String { written(indent: "") }

  /// On one line, for files with one object per line.
  public var line: String {
    switch self {
    case .array(let values): "[" + values.map(\.line).joined(separator: ", ") + "]"
    case .object(let pairs):
      "{" + pairs.map { JSON.quoted($0.key) + ": " + $0.value.line }.joined(separator: ", ") + "}"
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value): JSON.digits(value)
    case .string(let value): JSON.quoted(value)
    }
  }

  private func written(indent: String) -> String {
    let inner = indent + "  "
    let items: [String]
    let brackets: (String, String)
    switch self {
    case .array(let values) where !values.isEmpty:
      items = values.map { $0.written(indent: inner) }
      brackets = ("[", "]")
    case .object(let pairs) where !pairs.isEmpty:
      items = pairs.map { JSON.quoted($0.key) + ": " + $0.value.written(indent: inner) }
      brackets = ("{", "}")
    default: return line
    }
    let line = line
    if isFlat && line.count + indent.count <= 100 { return line }
    return brackets.0 + "\n" + inner + items.joined(separator: ",\n" + inner) + "\n" + indent + brackets.1
  }

  private var isFlat: Bool {
    func isPlain(_ value: JSON) -> Bool {
      switch value {
      case .array, .object: false
      default: true
      }
    }
    return switch self {
    case .array(let values): values.allSatisfy(isPlain)
    case .object(let pairs): pairs.allSatisfy { isPlain($0.value) }
    default: true
    }
  }

  private static func digits(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    // Swift writes "1e-05" and "5.0": both are JSON.
    return value.description
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case "\r": quoted += "\\r"
      case "\0"..."\u{1F}":
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByStringLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { (key: $0.0, value: $0.1) })
  }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(nilLiteral: ()) { self = .null }
}
