import Bundle
import CKernels

/// An axis along which a kernel walks: the distances of each index in x and in y, by a rule or by tables.
struct Axis {
  var count: Int
  var x = Line(step: 0)
  var y = Line(step: 0)
  /// Otherwise by tables, which are nil while memory is only counted.
  var isRule = true
  var tables: (x: UnsafeMutablePointer<Int32>?, y: UnsafeMutablePointer<Int32>?) = (nil, nil)
}

/// The axes of a kernel that indexes, the last innermost, and the element, or run of elements, that is found at each place.
///
/// What lies side by side in x and in y becomes one unit, so that a kernel has few places to find: whole rows, planes, tensors.
struct Axes {
  private var axes = InlineArray<5, Axis>(repeating: Axis(count: 1))
  private(set) var count = 0
  /// Bytes.
  private(set) var unit: Int
  /// Where index 0 of all axes is, from the beginnings of x and y.
  private(set) var xStart = 0
  private(set) var yStart = 0

  init(unit: Int) { self.unit = unit }

  /// `count` indices from `xFrom` on in x and from `yFrom` on in y.
  @inline(never)
  mutating func add(_ count: Int, x: Line, xFrom xFirst: Int = 0, y: Line, yFrom yFirst: Int = 0, _ arena: inout Arena)
  {
    // A block's channels stay together if they begin with one.
    guard x.isEven || xFirst % 16 == 0, y.isEven || yFirst % 16 == 0 else {
      let tables = addTables(count, &arena)
      guard let xs = tables.x, let ys = tables.y else { return }
      for i in 0..<count {
        xs[i] = Int32(truncatingIfNeeded: x.offset(xFirst + i))
        ys[i] = Int32(truncatingIfNeeded: y.offset(yFirst + i))
      }
      return
    }
    xStart += x.offset(xFirst)
    yStart += y.offset(yFirst)
    push(Axis(count: count, x: x, y: y))
  }

  /// By tables that the caller fills; CNN_OUTSIDE: not in x. nil while memory is only counted.
  mutating func addTables(
    _ count: Int, _ arena: inout Arena
  ) -> (x: UnsafeMutablePointer<Int32>?, y: UnsafeMutablePointer<Int32>?) {
    var axis = Axis(count: count, isRule: false)
    axis.tables = (arena.take(Int32.self, count), arena.take(Int32.self, count))
    push(axis)
    return axis.tables
  }

  private mutating func push(_ axis: Axis) {
    // A tensor has at most five axes besides the batch.
    axes[count] = axis
    count += 1
  }

  private mutating func remove(_ i: Int) {
    for k in i..<count - 1 { axes[k] = axes[k + 1] }
    count -= 1
  }

  /// Joins axes to the unit as long as there are some that lie side by side.
  @inline(never)
  mutating func join() {
    var i = count - 1
    while i >= 0 {
      if axes[i].isRule, axes[i].count == 1 {
        remove(i)
      } else if let length = run(axes[i]) {
        shorten(i, by: length)
        i = count
      }
      i -= 1
    }
  }

  /// Blocks of 16 channels that lie together, if there are: 16 lanes for a kernel that works on lanes.
  @inline(never)
  mutating func takeLanes() -> Bool {
    for i in 0..<count where axes[i].isRule && axes[i].count > 1 && axes[i].x.step == unit && axes[i].y.step == unit {
      let isBlocked = !axes[i].x.isEven && !axes[i].y.isEven
      guard isBlocked || axes[i].count % 16 == 0 else { continue }
      shorten(i, by: 16)
      return true
    }
    return false
  }

  /// How many indices of an axis are one run of units, nil if none. The lanes behind the last channel of a block may be moved as well:
  /// they mean nothing, or are written later.
  private func run(_ axis: Axis) -> Int? {
    guard axis.isRule, axis.x.step == unit, axis.y.step == unit else { return nil }
    if axis.x.isEven && axis.y.isEven { return axis.count }
    if !axis.x.isEven && !axis.y.isEven || axis.count % 16 == 0 { return 16 }
    return axis.count <= 16 ? axis.count : nil
  }

  private mutating func shorten(_ i: Int, by length: Int) {
    let axis = axes[i]
    unit *= length
    let rest = (axis.count + length - 1) / length
    guard rest > 1 else { return remove(i) }
    let isBlock = length == 16
    axes[i] = Axis(
      count: rest, x: Line(step: isBlock ? axis.x.block : axis.x.step * length),
      y: Line(step: isBlock ? axis.y.block : axis.y.step * length))
  }

  /// As the kernels take it. Axes behind `count` are not there.
  @inline(never)
  func tables(_ arena: inout Arena) -> (cnn_axis, cnn_axis, cnn_axis, cnn_axis, cnn_axis) {
    var out = (cnn_axis(), cnn_axis(), cnn_axis(), cnn_axis(), cnn_axis())
    withUnsafeMutableBytes(of: &out) {
      let list = $0.bindMemory(to: cnn_axis.self)
      for i in 0..<count {
        var axis = axes[i]
        if axis.isRule {
          axis.tables = (arena.take(Int32.self, axis.count), arena.take(Int32.self, axis.count))
          if let x = axis.tables.x, let y = axis.tables.y {
            for k in 0..<axis.count {
              x[k] = Int32(truncatingIfNeeded: axis.x.offset(k))
              y[k] = Int32(truncatingIfNeeded: axis.y.offset(k))
            }
          }
        }
        list[i] = cnn_axis(count: Int32(axis.count), x: axis.tables.x, y: axis.tables.y)
      }
    }
    return out
  }
}
