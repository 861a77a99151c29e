import CCNNRT

/// Prints what is found, as text or as JSON lines; failures go to standard error as well.
struct Report {
  let json: Bool
  let time: Bool

  func classes(
    _ classes: UnsafeMutableBufferPointer<cnnrt_class>, of name: Text, nanoseconds: UInt64,
    from network: borrowing Network
  ) throws(Failure) {
    let milliseconds = Double(nanoseconds) / 1e6
    var text = Text()
    if json {
      text.append("{\"file\": ")
      text.append(json: name)
      text.append(", \"classes\": [")
      for index in classes.indices {
        if index > 0 { text.append(", ") }
        text.append(json: classes[index], from: network)
      }
      text.append("], \"time_ms\": ")
      text.append(milliseconds, digits: 4)
      text.append("}\n")
    } else {
      text.append(name)
      if time {
        text.append(": ")
        text.append(milliseconds, digits: 3)
        text.append(" ms")
      }
      text.append("\n")
      for index in classes.indices { text.append(line: classes[index], from: network) }
    }
    try print(text)
  }

  /// What opening the model took and what it runs on.
  func opening(_ path: UnsafePointer<CChar>, _ network: borrowing Network) throws(Failure) {
    guard time && !json else { return }
    var text = Text(cString: path)
    text.append(": opened in ")
    text.append(Double(network.openingTime) / 1e6, digits: 3)
    text.append(" ms, ")
    text.append(cString: network.isa)
    text.append("\n")
    try print(text)
  }

  func selfTestPassed(_ path: UnsafePointer<CChar>, _ network: borrowing Network) throws(Failure) {
    var text = Text()
    if json {
      text.append("{\"file\": ")
      text.append(json: Text(cString: path))
      text.append(", \"self_test\": \"passed\"}\n")
    } else {
      text.append(cString: path)
      text.append(": self-test passed (")
      text.append(cString: network.isa)
      text.append(")\n")
    }
    try print(text)
  }

  func failure(_ failure: Failure, of name: Text) {
    var line = name
    line.append(": ")
    line.append(failure.text)
    Self.complain(line)
    guard json else { return }
    var text = Text("{\"file\": ")
    text.append(json: name)
    text.append(", \"error\": ")
    text.append(json: failure.text)
    text.append("}\n")
    text.write(to: .output)
  }

  static func complain(_ text: Text) {
    var line = Text("cnn-infer: ")
    line.append(text)
    line.append("\n")
    line.write(to: .error)
  }

  func print(_ text: Text) throws(Failure) {
    if !text.write(to: .output) { throw Failure("standard output cannot be written") }
  }
}

extension Text {
  fileprivate mutating func append(line result: cnnrt_class, from network: borrowing Network) {
    if network.endsInSoftmax {
      append(Double(result.score) * 100, digits: 2, width: 8)
      append(" %  ")
    } else {
      append(Double(result.score), digits: 4, width: 12)
      append("  ")
    }
    if let label = network.label(result.index) {
      append(cString: label)
    } else {
      append("class ")
      append(Int(result.index))
    }
    append("\n")
  }

  fileprivate mutating func append(json result: cnnrt_class, from network: borrowing Network) {
    append("{\"label\": ")
    if let label = network.label(result.index) {
      append(json: Text(cString: label))
    } else {
      append("null")
    }
    append(", \"index\": ")
    append(Int(result.index))
    append(network.endsInSoftmax ? ", \"probability\": " : ", \"score\": ")
    if result.score.isFinite {
      append(Double(result.score))
    } else {
      append("null")
    }
    append("}")
  }

  /// A JSON string. Bytes that are not UTF-8 (a file's name can have any) become U+FFFD.
  fileprivate mutating func append(json text: Text) {
    append("\"")
    var decoder = UTF8()
    var bytes = text.bytes.makeIterator()
    decoding: while true {
      switch decoder.decode(&bytes) {
      case .scalarValue(let scalar): append(json: scalar)
      case .error: append("\u{FFFD}")
      case .emptyInput: break decoding
      }
    }
    append("\"")
  }

  private mutating func append(json scalar: Unicode.Scalar) {
    switch scalar {
    case "\"": append("\\\"")
    case "\\": append("\\\\")
    case ..<" ":
      append("\\u00")
      append(byte: scalar.value < 16 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
      let digit = UInt8(scalar.value & 15)
      append(byte: digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    default:
      for byte in UTF8.encode(scalar)! { append(byte: byte) }
    }
  }
}
