import CKernels
import CVector

extension cnn_move {
  @inline(__always) func axis(_ i: Int) -> cnn_axis { tableAxis(axes, i) }
}

/// Reaches what lies outside x.
private let outside = Int32.min

/// A share is a range of units, in the order of the axes.
func moved(_ a: UnsafePointer<cnn_move>, _ share: Share) {
  var zero: Int32 = 0
  withUnsafePointer(to: &zero) { zero in
    let axisCount = Int(a.pointee.axis_count)
    let inner = axisCount > 0 ? a.pointee.axis(axisCount &- 1) : cnn_axis(count: 1, x: zero, y: zero)
    let length = Int(inner.count)
    var outer = Int(a.pointee.batch)
    for i in 0..<max(axisCount &- 1, 0) { outer &*= Int(a.pointee.axis(i).count) }
    let units = share.range(of: outer &* length)
    var unit = units.lowerBound
    while unit < units.upperBound {
      let first = unit % length, count = min(length &- first, units.upperBound &- unit)
      var rest = unit / length, from = 0, to = 0, isOutside = false
      var i = axisCount &- 2
      while i >= 0 {
        let axis = a.pointee.axis(i), place = rest % Int(axis.count), x = axis.x[place]
        rest /= Int(axis.count)
        isOutside = isOutside || x == outside
        from &+= Int(x)
        to &+= Int(axis.y[place])
        i &-= 1
      }
      let y = UnsafeMutableRawPointer(a.pointee.y!) + (rest &* Int(a.pointee.y_image) &+ to)
      let run = Run(
        x: isOutside ? nil : UnsafeRawPointer(a.pointee.x!) + (rest &* Int(a.pointee.x_image) &+ from), y: y,
        xs: inner.x + first, ys: inner.y + first, count: count)
      if a.pointee.table != nil {
        run.look(up: a)
      } else {
        switch a.pointee.unit {
        case 1: run.move(UInt8.self, a)
        case 4: run.move(UInt32.self, a)
        case 16: run.move(Bytes.self, a)
        case 64: run.move(Floats.self, a)
        default: run.copy(a)
        }
      }
      unit &+= count
    }
  }
  a.pointee.halo.fillHalo(isFloat: a.pointee.element_bytes == 4, share)
}

/// Units along the innermost axis. x nil: all lie outside.
private struct Run {
  let x: UnsafeRawPointer?
  let y: UnsafeMutableRawPointer
  let xs: UnsafePointer<Int32>, ys: UnsafePointer<Int32>
  let count: Int

  /// Calls `unit` with the place of each unit in y, and in x where it has one.
  @inline(__always) private func forEach(_ unit: (_ from: UnsafeRawPointer?, _ to: UnsafeMutableRawPointer) -> Void) {
    for i in 0..<count {
      let to = y + Int(ys[i])
      if let x, xs[i] != outside { unit(x + Int(xs[i]), to) } else { unit(nil, to) }
    }
  }

  @inline(__always) func move<Unit: BitwiseCopyable>(_: Unit.Type, _ a: UnsafePointer<cnn_move>) {
    forEach { from, to in
      if let from { to.put(from.loadUnaligned(as: Unit.self)) } else { fill(to, a) }
    }
  }
  @inline(never) func copy(_ a: UnsafePointer<cnn_move>) {
    forEach { from, to in
      if let from { cv_copy(to, from, Int(a.pointee.unit)) } else { fill(to, a) }
    }
  }
  @inline(never) func look(up a: UnsafePointer<cnn_move>) {
    let table = a.pointee.table!
    forEach { from, to in
      guard let from else { return fill(to, a) }
      for i in 0..<Int(a.pointee.unit) { to.put(table[Int(from.byte(i))], i) }
    }
  }
  @inline(never) private func fill(_ to: UnsafeMutableRawPointer, _ a: UnsafePointer<cnn_move>) {
    let value = a.pointee.fill
    if a.pointee.element_bytes == 1 { return cv_fill(to, Int32(truncatingIfNeeded: value), Int(a.pointee.unit)) }
    var i = 0
    while i < Int(a.pointee.unit) {
      to.put(value, i)
      i &+= 4
    }
  }
}
