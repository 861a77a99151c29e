import CKernels

/// Every movement of elements: y[i…] = x[i…], or table[x[i…]]; `fill` where x has no such element.
func move(_ a: cnn_move) {
  let unit = Int(a.unit), bytes = Int(a.element_bytes)
  for n in 0..<Int(a.batch) {
    forEachPlace(a.axes, a.axis_count) { x, y in
      let to = UnsafeMutableRawPointer(a.y) + n * Int(a.y_image) + y
      guard let x else {
        for i in stride(from: 0, to: unit, by: bytes) {
          if bytes == 4 {
            to.storeBytes(of: a.fill, toByteOffset: i, as: UInt32.self)
          } else {
            to.storeBytes(of: UInt8(a.fill), toByteOffset: i, as: UInt8.self)
          }
        }
        return
      }
      let from = UnsafeRawPointer(a.x) + n * Int(a.x_image) + x
      for i in 0..<unit {
        let byte = from.load(fromByteOffset: i, as: UInt8.self)
        to.storeBytes(of: a.table.map { $0[Int(byte)] } ?? byte, toByteOffset: i, as: UInt8.self)
      }
    }
  }
  a.halo.fillHalo(bytes: bytes)
}
