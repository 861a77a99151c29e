import CBundle

/// A logical shape: up to six dimensions, the first of an activation being the batch.
public struct TensorShape {
  public var rank: Int
  private var dims = InlineArray<6, Int>(repeating: 1)

  public init(rank: Int = 0) { self.rank = rank }

  public init(_ t: cnnb_tensor) {
    rank = Int(t.rank)
    for i in 0..<6 { dims[i] = t.dim(i) }
  }

  public init(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
    rank = 4
    (dims[0], dims[1], dims[2], dims[3]) = (a, b, c, d)
  }

  public subscript(i: Int) -> Int {
    get { dims[i] }
    set { dims[i] = newValue }
  }

  public mutating func append(_ dim: Int) {
    dims[rank] = dim
    rank += 1
  }

  /// Of the axes in the range: a tensor's are at most 2³¹ − 1 elements.
  public func product(_ axes: Range<Int>) -> Int {
    var product = 1
    for i in axes { product *= dims[i] }
    return product
  }
}

extension Model {
  /// The dimension of an operand that meets, in broadcasting, axis `axis` (at least 1) of a result of rank `rank`: axes are
  /// aligned at the last, but an activation's first axis is always the batch. nil where the operand has no such axis.
  public func alignedAxis(_ t: Int, _ axis: Int, rank: Int) -> Int? {
    let own = axis - rank + Int(tensors[t].rank)
    return own >= (isConstant(t) && Int(tensors[t].rank) < rank ? 0 : 1) ? own : nil
  }

  public func alignedDim(_ t: Int, _ axis: Int, rank: Int) -> Int {
    alignedAxis(t, axis, rank: rank).map { tensors[t].dim($0) } ?? 1
  }
}
