import CKernels
import CVector

/// Bilinear; a share is a range of rows.
@inline(never)
private func resize(_ a: UnsafePointer<cnn_resize>, isFloat: Bool, _ share: Share) {
  let x = a.pointee.x, y = a.pointee.y, rows = a.pointee.rows!, columns = a.pointee.columns!
  forEachRow(y, share) { n, block, row in
    let vertical = rows[row], to = y.address(n, block, row)
    let upper = UnsafeRawPointer(x.address(n, block, Int(vertical.first)))
    let lower = UnsafeRawPointer(x.address(n, block, Int(vertical.second)))
    for column in 0..<Int(y.width) {
      let horizontal = columns[column]
      let left = Int(horizontal.first) &* Int(x.pixel), right = Int(horizontal.second) &* Int(x.pixel)
      if isFloat {
        @inline(__always) func mixed(_ a: Floats, _ b: Floats, _ weight: Float) -> Floats { a + (b - a) * all(weight) }
        let top = mixed(upper.floats(left), upper.floats(right), horizontal.weight)
        let bottom = mixed(lower.floats(left), lower.floats(right), horizontal.weight)
        to.put(mixed(top, bottom, vertical.weight), column &* 64)
      } else {
        @inline(__always) func mixed(_ a: Ints, _ b: Ints, _ weight: Int32) -> Ints {
          all(2048 &- weight) &* a &+ all(weight) &* b
        }
        let top = mixed(cv_widen(upper.bytes(left)), cv_widen(upper.bytes(right)), horizontal.fixed)
        let bottom = mixed(cv_widen(lower.bytes(left)), cv_widen(lower.bytes(right)), horizontal.fixed)
        let q = (mixed(top, bottom, vertical.fixed) &+ all(Int32(1 << 21))) &>> all(Int32(22))
        to.put(cv_narrow(q), column &* 16)
      }
    }
  }
  y.fillHalo(isFloat: isFloat, share)
}

func resizeF32(_ a: UnsafePointer<cnn_resize>, _ share: Share) { resize(a, isFloat: true, share) }
func resizeU8(_ a: UnsafePointer<cnn_resize>, _ share: Share) { resize(a, isFloat: false, share) }
