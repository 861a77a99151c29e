import CBundle
import CKernels
import CVector

extension cnn_reduce {
  @inline(__always) func keptAxis(_ i: Int) -> cnn_axis { tableAxis(kept, i) }
  @inline(__always) func reducedAxis(_ i: Int) -> cnn_axis { tableAxis(reduced, i) }
}

/// How the elements of one place, one or sixteen that are reduced apart, come together.
protocol Reduction {
  associatedtype State
  static var isFloat: Bool { get }
  static func start(_ a: UnsafePointer<cnn_reduce>) -> State
  static func add(_ a: UnsafePointer<cnn_reduce>, _ state: State, _ x: UnsafeRawPointer) -> State
  static func store(_ a: UnsafePointer<cnn_reduce>, _ state: State, count: Int, _ y: UnsafeMutableRawPointer)
}

@inline(__always) private func isMax(_ a: UnsafePointer<cnn_reduce>) -> Bool {
  Int(a.pointee.kind) == CNNB_OP_REDUCE_MAX
}
@inline(__always) private func isMin(_ a: UnsafePointer<cnn_reduce>) -> Bool {
  Int(a.pointee.kind) == CNNB_OP_REDUCE_MIN
}

enum ReduceBlockF32: Reduction {
  @inline(__always) static var isFloat: Bool { true }
  @inline(__always) static func start(_ a: UnsafePointer<cnn_reduce>) -> Floats {
    all(isMax(a) ? -Float.infinity : isMin(a) ? Float.infinity : 0)
  }
  @inline(__always)
  static func add(_ a: UnsafePointer<cnn_reduce>, _ state: Floats, _ x: UnsafeRawPointer) -> Floats {
    let v = x.floats()
    if isMax(a) { return state.replacing(with: v, where: v .> state) }
    if isMin(a) { return state.replacing(with: v, where: v .< state) }
    return state + v
  }
  @inline(__always)
  static func store(_ a: UnsafePointer<cnn_reduce>, _ state: Floats, count: Int, _ y: UnsafeMutableRawPointer) {
    y.put(
      Int(a.pointee.kind) == CNNB_OP_REDUCE_MEAN ? state / all(cv_float(Int32(truncatingIfNeeded: count))) : state)
  }
}

enum ReduceF32: Reduction {
  @inline(__always) static var isFloat: Bool { true }
  @inline(__always) static func start(_ a: UnsafePointer<cnn_reduce>) -> Float {
    isMax(a) ? -Float.infinity : isMin(a) ? Float.infinity : 0
  }
  @inline(__always)
  static func add(_ a: UnsafePointer<cnn_reduce>, _ state: Float, _ x: UnsafeRawPointer) -> Float {
    let v = x.float()
    if isMax(a) { return v > state ? v : state }
    if isMin(a) { return v < state ? v : state }
    return state + v
  }
  @inline(__always)
  static func store(_ a: UnsafePointer<cnn_reduce>, _ state: Float, count: Int, _ y: UnsafeMutableRawPointer) {
    y.put(Int(a.pointee.kind) == CNNB_OP_REDUCE_MEAN ? state / cv_float(Int32(truncatingIfNeeded: count)) : state)
  }
}

enum ReduceBlockU8: Reduction {
  @inline(__always) static var isFloat: Bool { false }
  @inline(__always) static func start(_ a: UnsafePointer<cnn_reduce>) -> Ints { all(isMin(a) ? 255 : Int32(0)) }
  @inline(__always)
  static func add(_ a: UnsafePointer<cnn_reduce>, _ state: Ints, _ x: UnsafeRawPointer) -> Ints {
    let v = cv_widen(x.bytes())
    if isMax(a) { return state.replacing(with: v, where: v .> state) }
    if isMin(a) { return state.replacing(with: v, where: v .< state) }
    return state &+ (v &- all(a.pointee.x_zero_point))
  }
  @inline(__always)
  static func store(_ a: UnsafePointer<cnn_reduce>, _ state: Ints, count: Int, _ y: UnsafeMutableRawPointer) {
    if isMax(a) || isMin(a) { return y.put(cv_narrow(state)) }
    let quantize = Quantizer(a.pointee.low, a.pointee.high, a.pointee.y_zero_point)
    y.put(quantize(cv_to_float(state) * all(a.pointee.scale)))
  }
}

enum ReduceU8: Reduction {
  @inline(__always) static var isFloat: Bool { false }
  @inline(__always) static func start(_ a: UnsafePointer<cnn_reduce>) -> Int32 { isMin(a) ? 255 : 0 }
  @inline(__always)
  static func add(_ a: UnsafePointer<cnn_reduce>, _ state: Int32, _ x: UnsafeRawPointer) -> Int32 {
    let v = Int32(truncatingIfNeeded: x.byte())
    if isMax(a) { return v > state ? v : state }
    if isMin(a) { return v < state ? v : state }
    return state &+ (v &- a.pointee.x_zero_point)
  }
  @inline(__always)
  static func store(_ a: UnsafePointer<cnn_reduce>, _ state: Int32, count: Int, _ y: UnsafeMutableRawPointer) {
    if isMax(a) || isMin(a) { return y.put(UInt8(truncatingIfNeeded: state)) }
    let q = cv_quantize(cv_float(state) * a.pointee.scale, a.pointee.low, a.pointee.high) &+ a.pointee.y_zero_point
    y.put(UInt8(truncatingIfNeeded: q))
  }
}

/// A share is a range of kept places. What is reduced comes in the order of its axes.
@inline(__always)
func reduce<R: Reduction>(_: R.Type, _ a: UnsafePointer<cnn_reduce>, _ share: Share) {
  let keptCount = Int(a.pointee.kept_count), reducedCount = Int(a.pointee.reduced_count)
  var kept = 1, reduced = 1
  for i in 0..<keptCount { kept &*= Int(a.pointee.keptAxis(i).count) }
  for i in 0..<reducedCount { reduced &*= Int(a.pointee.reducedAxis(i).count) }
  let inner = reducedCount > 0 ? a.pointee.reducedAxis(reducedCount &- 1) : cnn_axis(count: 1, x: nil, y: nil)
  let length = Int(inner.count)
  for unit in share.range(of: Int(a.pointee.batch) &* kept) {
    let image = unit / kept
    var place = unit % kept, from = image &* Int(a.pointee.x_image), to = image &* Int(a.pointee.y_image)
    var i = keptCount &- 1
    while i >= 0 {
      let axis = a.pointee.keptAxis(i), k = place % Int(axis.count)
      place /= Int(axis.count)
      from &+= Int(axis.x[k])
      to &+= Int(axis.y[k])
      i &-= 1
    }
    let x = UnsafeRawPointer(a.pointee.x!) + from
    var state = R.start(a), outer = 0
    while outer &* length < reduced {
      var rest = outer, row = x
      i = reducedCount &- 2
      while i >= 0 {
        let axis = a.pointee.reducedAxis(i)
        row += Int(axis.x[rest % Int(axis.count)])
        rest /= Int(axis.count)
        i &-= 1
      }
      if reducedCount == 0 {
        state = R.add(a, state, row)
      } else {
        for k in 0..<length { state = R.add(a, state, row + Int(inner.x[k])) }
      }
      outer &+= 1
    }
    R.store(a, state, count: reduced, UnsafeMutableRawPointer(a.pointee.y!) + to)
  }
  a.pointee.halo.fillHalo(isFloat: R.isFloat, share)
}

func reduceF32(_ a: UnsafePointer<cnn_reduce>, _ share: Share) {
  if a.pointee.lanes == 16 { reduce(ReduceBlockF32.self, a, share) } else { reduce(ReduceF32.self, a, share) }
}
func reduceU8(_ a: UnsafePointer<cnn_reduce>, _ share: Share) {
  if a.pointee.lanes == 16 { reduce(ReduceBlockU8.self, a, share) } else { reduce(ReduceU8.self, a, share) }
}
