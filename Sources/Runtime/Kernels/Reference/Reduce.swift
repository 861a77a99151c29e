import CBundle
import CKernels

/// ReduceMean, ReduceSum, ReduceMax, ReduceMin. The order is that of the reduced axes, the last innermost. uint8: sums of q − zx, exact;
/// y = Int32(roundTiesToEven(clamp(Float(S) · scale, low, high))) + zy; the largest or smallest stored byte.
func reduceF32(_ a: cnn_reduce) {
  a.forEachResult(bytes: 4) { x, y, forEach in
    var result: Float = a.kind == CNNB_OP_REDUCE_MAX ? -.infinity : a.kind == CNNB_OP_REDUCE_MIN ? .infinity : 0
    var count = 0
    forEach { offset in
      let v = (x + offset).loadUnaligned(as: Float.self)
      count += 1
      switch Int(a.kind) {
      case CNNB_OP_REDUCE_MAX: result = v > result ? v : result
      case CNNB_OP_REDUCE_MIN: result = v < result ? v : result
      default: result += v
      }
    }
    y.storeBytes(of: a.kind == CNNB_OP_REDUCE_MEAN ? result / Float(count) : result, as: Float.self)
  }
  a.halo.fillHalo(bytes: 4)
}

func reduceU8(_ a: cnn_reduce) {
  a.forEachResult(bytes: 1) { x, y, forEach in
    var sum: Int32 = 0, largest: UInt8 = 0, smallest: UInt8 = 255
    forEach { offset in
      let q = (x + offset).load(as: UInt8.self)
      sum &+= Int32(q) - a.x_zero_point
      largest = max(largest, q)
      smallest = min(smallest, q)
    }
    let result =
      switch Int(a.kind) {
      case CNNB_OP_REDUCE_MAX: largest
      case CNNB_OP_REDUCE_MIN: smallest
      default: stored(Float(sum) * a.scale, a.low, a.high, a.y_zero_point)
      }
    y.storeBytes(of: result, as: UInt8.self)
  }
  a.halo.fillHalo(bytes: 1)
}

extension cnn_reduce {
  /// Calls `body` with the place of each result in y, where its elements begin in x, and a way to go over the bytes from there to each.
  func forEachResult(
    bytes: Int,
    _ body: (_ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ forEach: ((Int) -> Void) -> Void) -> Void
  ) {
    for n in 0..<Int(batch) {
      forEachPlace(kept, kept_count) { from, to in
        for lane in 0..<Int(lanes) {
          body(
            UnsafeRawPointer(x) + n * Int(x_image) + from! + lane * bytes,
            UnsafeMutableRawPointer(y) + n * Int(y_image) + to + lane * bytes
          ) { element in forEachPlace(reduced, reduced_count) { offset, _ in element(offset!) } }
        }
      }
    }
  }
}
