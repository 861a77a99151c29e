/// A constant of an ONNX model. Whatever its type in the file, the elements are held as one of three kinds: what is
/// folded and converted is written once for each, not for two dozen types.
package struct ONNXTensor: Equatable, Sendable {
  package enum Values: Equatable, Sendable {
    /// Floats of other widths are converted to it when a file is read.
    case floats([Float])
    /// All integers, and bool as 0 and 1; uint64 beyond 2⁶³ − 1 wraps.
    case integers([Int64])
    case strings([String])
  }

  /// As the file or the operator that made it says; it decides how integers wrap and divide.
  package var type: ONNXType
  /// Empty for a scalar.
  package var shape: [Int]
  /// Row-major.
  package var values: Values

  package init(_ type: ONNXType = .float, shape: [Int], floats: [Float]) {
    self.type = type
    self.shape = shape
    values = .floats(floats)
  }

  package init(_ type: ONNXType = .int64, shape: [Int], integers: [Int64]) {
    self.type = type
    self.shape = shape
    values = .integers(integers)
  }

  /// A list of int64: shapes, axes, pads.
  package init(_ integers: [Int]) {
    self.init(shape: [integers.count], integers: integers.map(Int64.init))
  }

  /// A float scalar.
  package init(_ value: Float) { self.init(shape: [], floats: [value]) }

  /// The number of elements.
  package var count: Int {
    switch values {
    case .floats(let a): a.count
    case .integers(let a): a.count
    case .strings(let a): a.count
    }
  }

  /// The elements if they are floats.
  package var floats: [Float]? { if case .floats(let a) = values { a } else { nil } }
  /// The elements if they are integers or bools.
  package var integers: [Int]? { if case .integers(let a) = values { a.map { Int($0) } } else { nil } }
  /// The element of a tensor of one, whatever its rank.
  package var float: Float? { if let floats, floats.count == 1 { floats[0] } else { nil } }
  /// The element of a tensor of one, whatever its rank.
  package var integer: Int? { if let integers, integers.count == 1 { integers[0] } else { nil } }
}
