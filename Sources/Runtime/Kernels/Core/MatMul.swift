import CKernels
import CVector

/// One tile of a product: some rows of a, sixteen columns of b.
struct MatMulTile {
  let a: UnsafeRawPointer, b: UnsafeRawPointer
  let aRow: Int, bRow: Int, k: Int
  /// Columns that are there.
  let columns: Int
}

protocol MatMulRule {
  associatedtype Element
  /// One block of columns; none: fewer than sixteen. Sums of the tile's rows times columns, each row's finished and its columns from `skip` on stored at y.
  static func multiply<let rows: Int, let columns: Int>(
    _: RegisterTile<rows, columns>.Type, _ tile: MatMulTile, _ args: UnsafePointer<cnn_matmul>,
    _ y: UnsafeMutableRawPointer,
    skip: Int)
}

enum MatMulF32: MatMulRule {
  typealias Element = Float
  @_optimize(speed) @inline(never)
  static func multiply<let rows: Int, let columns: Int>(
    _: RegisterTile<rows, columns>.Type, _ tile: MatMulTile, _ args: UnsafePointer<cnn_matmul>,
    _ y: UnsafeMutableRawPointer,
    skip: Int
  ) {
    var sums = InlineArray<rows, Floats>(repeating: Floats(repeating: 0))
    var a = tile.a, b = tile.b, k = tile.k
    let aRow = tile.aRow, bRow = tile.bRow
    while k > 0 {
      let v = columns == 1 ? b.floats() : floats(b, tile.columns)
      unroll(rows) { i in sums[unchecked: i] = cv_multiply_add(sums[unchecked: i], a.float(i &* aRow), v) }
      a += 4
      b += bRow
      k &-= 1
    }
    unroll(rows) { i in
      let to = y + i &* Int(args.pointee.y_row)
      if skip == 0 && tile.columns == 16 {
        to.put(sums[unchecked: i])
      } else {
        withUnsafePointer(to: sums[unchecked: i]) {
          cv_copy(to + skip &* 4, UnsafeRawPointer($0) + skip &* 4, (tile.columns &- skip) &* 4)
        }
      }
    }
  }
}

/// Σ (qa − za) · (qb − zb) = Σ qa · (qb − zb) − za · Σ (qb − zb), wrapping: rows of a are taken as they lie, two bytes at a time.
enum MatMulU8: MatMulRule {
  typealias Element = UInt8
  @_optimize(speed) @inline(never)
  static func multiply<let rows: Int, let columns: Int>(
    _: RegisterTile<rows, columns>.Type, _ tile: MatMulTile, _ args: UnsafePointer<cnn_matmul>,
    _ y: UnsafeMutableRawPointer,
    skip: Int
  ) {
    var sums = InlineArray<rows, Ints>(repeating: Ints(repeating: 0))
    var columnSums = Ints(repeating: 0)
    var a = tile.a, b = tile.b, k = tile.k
    let aRow = tile.aRow, zero = args.pointee.b_zero_point
    let zeros = Bytes(repeating: UInt8(truncatingIfNeeded: zero))
    @inline(__always) func load(_ p: UnsafeRawPointer) -> Bytes { columns == 1 ? p.bytes() : bytes(p, tile.columns) }
    while k > 0 {
      // Behind the last row of b as if another one of zero points followed.
      let isPair = k > 1
      let second = isPair ? load(b + tile.bRow) : zeros
      let v = cv_pairs_minus(cv_pairs(load(b), second), zero)
      columnSums = cv_add_pairs(columnSums, v, all(Int32(0x0001_0001)))
      unroll(rows) { i in
        let p = a + i &* aRow
        let next = isPair ? Int32(truncatingIfNeeded: p.byte(1)) : 0
        let pair = Int32(truncatingIfNeeded: p.byte()) | next &<< 16
        sums[unchecked: i] = cv_add_pairs(sums[unchecked: i], v, all(pair))
      }
      a += 2
      b += 2 &* tile.bRow
      k &-= 2
    }
    let quantize = Quantizer(args.pointee.low, args.pointee.high, args.pointee.y_zero_point)
    let correction = all(args.pointee.a_zero_point) &* columnSums, scale = all(args.pointee.scale)
    unroll(rows) { i in
      let q = quantize(cv_to_float(sums[unchecked: i] &- correction) * scale)
      withUnsafePointer(to: q) {
        cv_copy(y + (i &* Int(args.pointee.y_row) &+ skip), UnsafeRawPointer($0) + skip, tile.columns &- skip)
      }
    }
  }
}

/// A share is a range of tiles. The last columns are a tile that ends with them, over the one before; it stores what is its own.
@inline(__always)
func matmul<R: MatMulRule, let rows: Int>(
  _: R.Type, _: RegisterTile<rows, 1>.Type, _ a: UnsafePointer<cnn_matmul>, _ share: Share
) {
  let size = MemoryLayout<R.Element>.size, m = Int(a.pointee.m), p = Int(a.pointee.p), c = a.pointee.counts
  let across = (p &+ 15) >> 4, down = (m &+ rows &- 1) / rows, tiles = across &* down
  for unit in share.range(of: Int(c.0) &* Int(c.1) &* Int(c.2) &* Int(c.3) &* tiles) {
    let place = unit / tiles, i3 = place % Int(c.3), i2 = place / Int(c.3) % Int(c.2)
    let outer = place / Int(c.3) / Int(c.2), i1 = outer % Int(c.1), i0 = outer / Int(c.1)
    @inline(__always) func offset(_ s: (Int64, Int64, Int64, Int64)) -> Int {
      i0 &* Int(s.0) &+ i1 &* Int(s.1) &+ i2 &* Int(s.2) &+ i3 &* Int(s.3)
    }
    let column = unit % across &* 16, start = p >= 16 ? min(column, p &- 16) : 0
    var row = unit / across % down &* rows
    let end = min(m, row &+ rows)
    while row < end {
      let tile = MatMulTile(
        a: UnsafeRawPointer(a.pointee.a!) + (offset(a.pointee.a_strides) &+ row &* Int(a.pointee.a_row)),
        b: UnsafeRawPointer(a.pointee.b!) + (offset(a.pointee.b_strides) &+ start &* size),
        aRow: Int(a.pointee.a_row), bRow: Int(a.pointee.b_row), k: Int(a.pointee.k), columns: min(16, p))
      let y =
        UnsafeMutableRawPointer(a.pointee.y!)
        + (offset(a.pointee.y_strides) &+ row &* Int(a.pointee.y_row) &+ start &* size)
      if p < 16 {
        R.multiply(RegisterTile<1, 0>.self, tile, a, y, skip: 0)
        row &+= 1
      } else if row &+ rows <= end {
        R.multiply(RegisterTile<rows, 1>.self, tile, a, y, skip: column &- start)
        row &+= rows
      } else {
        R.multiply(RegisterTile<1, 1>.self, tile, a, y, skip: column &- start)
        row &+= 1
      }
    }
  }
}

func matmulF32(_ a: UnsafePointer<cnn_matmul>, _ share: Share) {
  matmul(MatMulF32.self, MatMulRows.self, a, share)
}
func matmulU8(_ a: UnsafePointer<cnn_matmul>, _ share: Share) {
  matmul(MatMulU8.self, RegisterTile<4, 1>.self, a, share)
}
