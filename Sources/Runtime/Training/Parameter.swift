import Bundle
import CBundle
import CCNNRT

/// A constant that training changes: weights, biases, or the running statistics of a batch normalisation.
public struct Parameter {
  /// In the bundle.
  let tensor: Int
  /// A copy of the constant's name.
  public var name: UnsafePointer<CChar>?
  let order: ConvOrder
  /// Of a grouped or transposed convolution's weights, instead.
  let packed: PackedOrder?
  /// False for running mean and variance.
  public let trainable: Bool
  /// First element among the trainable parameters' (or among the running statistics).
  let start: Int
  public let rank: Int
  public let shape: InlineArray<6, Int64>

  /// Elements, without padding.
  public var count: Int { packed.map { $0.count } ?? order.count }
  /// With padding, as it lies in memory.
  var paddedCount: Int { packed.map { ($0.elements + 15) & ~15 } ?? order.paddedCount }

  func copyToPlain(_ ordered: UnsafePointer<Float>, _ plain: UnsafeMutablePointer<Float>) {
    if let packed { packed.copyToPlain(ordered, plain) } else { order.copyToPlain(ordered, plain) }
  }
  func copyFromPlain(_ plain: UnsafePointer<Float>, _ ordered: UnsafeMutablePointer<Float>) {
    if let packed { packed.copyFromPlain(plain, ordered) } else { order.copyFromPlain(plain, ordered) }
  }
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
    _ model: Model, _ tensor: Int?, dilationX: Int = 1, trainable: Bool = true, packed: PackedOrder? = nil
  ) throws(Failure) -> Int {
    guard let tensor else { return -1 }
    let order = ConvOrder(weight: model.tensor(tensor), dilationX: dilationX)
    return try add(model, tensor, order, packed, trainable)
  }

  /// Row-major, of any shape: as one value for each of as many channels.
  mutating func addPlain(_ model: Model, _ tensor: Int?) throws(Failure) -> Int {
    guard let tensor else { return -1 }
    var vector = cnnb_tensor()
    vector.type = UInt32(CNNB_TYPE_FLOAT32)
    vector.rank = 1
    vector.dims = (UInt32(model.tensor(tensor).elementCount!), 1, 1, 1, 1, 1)
    return try add(model, tensor, ConvOrder(weight: vector, dilationX: 1), nil, true)
  }

  private mutating func add(
    _ model: Model, _ tensor: Int, _ order: ConvOrder, _ packed: PackedOrder?, _ trainable: Bool
  ) throws(Failure) -> Int {
    let t = model.tensor(tensor)
    guard model.isConstant(tensor), t.isFloat else {
      throw .unsupported("only layers with constant float32 parameters can be trained")
    }
    for i in 0..<count where list[i].tensor == tensor {
      guard list[i].trainable == trainable else {
        throw .unsupported("a constant that serves both as parameter and as running statistics cannot be trained")
      }
      return i
    }
    var shape = InlineArray<6, Int64>(repeating: 1)
    for i in 0..<6 { shape[i] = Int64(t.dim(i)) }
    let parameter = Parameter(
      tensor: tensor, name: model.name(tensor), order: order, packed: packed, trainable: trainable,
      start: trainable ? elements : statisticElements, rank: Int(t.rank), shape: shape)
    (list + count).initialize(to: parameter)
    if trainable { elements += parameter.paddedCount } else { statisticElements += parameter.paddedCount }
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
