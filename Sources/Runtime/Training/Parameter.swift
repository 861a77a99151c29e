import Bundle
import CCNNRT

/// A constant that training changes: weights, biases, or the running statistics of a batch normalisation.
public struct Parameter {
  /// In the bundle.
  let tensor: Int
  /// A copy of the constant's name.
  public var name: UnsafePointer<CChar>?
  let order: ConvOrder
  /// False for running mean and variance.
  public let trainable: Bool
  /// First element among the trainable parameters' (or among the running statistics).
  let start: Int
  public let rank: Int
  public let shape: InlineArray<6, Int64>

  /// Elements, without padding.
  public var count: Int { order.count }
}

/// All parameters, one after another in kernel order, each padded to blocks of 16: what updates, sums up or saves
/// them is one loop over one array.
struct Parameters {
  var list: UnsafeMutablePointer<Parameter>
  var count = 0
  /// Elements of the trainable ones, padded.
  var elements = 0
  /// Elements of the running statistics, padded.
  var statisticElements = 0

  /// The number of the parameter that holds a constant; a constant used by two layers is one parameter.
  mutating func add(
    _ model: Model, _ tensor: Int?, dilationX: Int = 1, trainable: Bool = true
  ) throws(Failure) -> Int {
    guard let tensor else { return -1 }
    let t = model.tensor(tensor)
    guard model.isConstant(tensor), t.isFloat else {
      throw .unsupported("only layers with constant float32 parameters can be trained")
    }
    let order = ConvOrder(weight: t, dilationX: dilationX)
    for i in 0..<count where list[i].tensor == tensor {
      guard list[i].trainable == trainable else {
        throw .unsupported("a constant that serves both as parameter and as running statistics cannot be trained")
      }
      return i
    }
    var shape = InlineArray<6, Int64>(repeating: 1)
    for i in 0..<6 { shape[i] = Int64(t.dim(i)) }
    (list + count).initialize(
      to: Parameter(
        tensor: tensor, name: model.name(tensor), order: order, trainable: trainable,
        start: trainable ? elements : statisticElements, rank: Int(t.rank), shape: shape))
    if trainable { elements += order.paddedCount } else { statisticElements += order.paddedCount }
    count += 1
    return count - 1
  }
}

extension Failure {
  @inline(never)
  static func unsupported(_ message: StaticString, _ a: Int = 0, _ b: Int = 0) -> Failure {
    Failure(CNNRT_ERROR_UNSUPPORTED, message, a, b)
  }
}
