import CKernels

/// Resize, linear: between two columns, in both rows, and then between these. float: a + (b − a) · weight, every operation rounded by itself.
/// uint8, on stored values: h = (2048 − f) · a + f · b; q = ((2048 − f) · h₀ + f · h₁ + 2²¹) >> 22.
func resizeF32(_ a: cnn_resize) {
  func mixed(_ a: Float, _ b: Float, _ weight: Float) -> Float { a + (b - a) * weight }
  a.y.forEachElement { n, c, y, x in
    let row = a.rows[y], column = a.columns[x]
    func line(_ y: Int32) -> Float {
      mixed(a.x.f32(n, c, Int(y), Int(column.first)), a.x.f32(n, c, Int(y), Int(column.second)), column.weight)
    }
    a.y.set(n, c, y, x, mixed(line(row.first), line(row.second), row.weight))
  }
  a.y.fillAround(bytes: 4)
}

func resizeU8(_ a: cnn_resize) {
  func mixed(_ a: Int32, _ b: Int32, _ weight: Int32) -> Int32 { (2048 - weight) * a + weight * b }
  a.y.forEachElement { n, c, y, x in
    let row = a.rows[y], column = a.columns[x]
    func line(_ y: Int32) -> Int32 {
      mixed(a.x.u8(n, c, Int(y), Int(column.first)), a.x.u8(n, c, Int(y), Int(column.second)), column.fixed)
    }
    a.y.set(n, c, y, x, UInt8((mixed(line(row.first), line(row.second), row.fixed) + (1 << 21)) >> 22))
  }
  a.y.fillAround(bytes: 1)
}
