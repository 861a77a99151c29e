import CCheck
import CKernels

extension Check {
  /// A random movement: the axes of x in another order, places left out, repeated or outside, into a tensor in blocks with a halo or a plain one.
  mutating func move() {
    let elementBytes = random.once(in: 2) ? 4 : 1, isInBlocks = random.once(in: 3), batch = random.int(1...3)
    let axisCount = isInBlocks ? 3 : random.int(0...5)
    let units = isInBlocks ? [16] : [1, 4, 16, 3, 10]
    let unit = units[random.int(0...units.count - 1)] * elementBytes
    var counts = [1, 1, 1, 1, 1]
    for i in 0..<axisCount { counts[i] = random.int(1...(axisCount > 3 ? 5 : 9)) }
    // y: blocks, rows and pixels; or row-major.
    let like: cnn_view
    var strides = [0, 0, 0, 0, 0]
    if isInBlocks {
      like = randomView(
        &random, batch: batch, channels: counts[0] * 16, height: counts[1], width: counts[2],
        elementBytes: elementBytes,
        halo: random.int(0...2), haloValue: random.int(0...255))
      strides = [Int(like.block), Int(like.row), Int(like.pixel), 0, 0]
    } else {
      var size = unit
      for i in (0..<axisCount).reversed() {
        strides[i] = size
        size *= counts[i]
      }
      like = plainView(batch: batch, elements: size / elementBytes, elementBytes: elementBytes)
    }
    var a = cnn_move()
    a.batch = Int32(batch)
    a.axis_count = Int32(axisCount)
    a.unit = Int32(unit)
    a.element_bytes = Int32(elementBytes)
    a.fill = elementBytes == 1 ? UInt32(random.int(0...255)) : UInt32(truncatingIfNeeded: random.next())
    let size = 4096
    a.x_image = Int64(size)
    a.y_image = like.image
    let input = x.last(size * batch)
    for i in 0..<size * batch { randomByte(&random, input.base + i) }
    a.x = UnsafePointer(input.base.assumingMemoryBound(to: UInt8.self))
    if elementBytes == 1 && random.once(in: 3) {
      let table = table.last(256)
      for i in 0..<256 { randomByte(&random, table.base + i) }
      a.table = UnsafePointer(table.base.assumingMemoryBound(to: UInt8.self))
    }
    // Where an axis leads in x does not matter to the kernel, as long as the sum stays inside.
    let tables = axisTables.last(5 * 2 * 16 * 4).base.assumingMemoryBound(to: Int32.self)
    let room = (size - unit) / max(axisCount, 1), hasOutside = random.once(in: 2)
    for i in 0..<5 {
      let xs = tables + i * 32, ys = xs + 16
      for k in 0..<counts[i] {
        xs[k] = hasOutside && random.once(in: 6) ? Int32.min : Int32(random.int(0...room) / elementBytes * elementBytes)
        ys[k] = Int32(k * strides[i])
      }
      let axis = cnn_axis(count: Int32(counts[i]), x: UnsafePointer(xs), y: UnsafePointer(ys))
      switch i {
      case 0: a.axes.0 = axis
      case 1: a.axes.1 = axis
      case 2: a.axes.2 = axis
      case 3: a.axes.3 = axis
      default: a.axes.4 = axis
      }
    }
    compare(
      like, elementBytes: elementBytes, reference.move, fast.move,
      { [a] y, _ in
        var a = a
        a.y = y.data
        if isInBlocks { a.halo = y }
        return a
      },
      describe: { [a] in
        check_number("axes", Int64(axisCount))
        check_number("unit", Int64(unit))
        check_number("table", a.table == nil ? 0 : 1)
      })
  }
}
