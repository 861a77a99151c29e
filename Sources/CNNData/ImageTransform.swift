/// Normalises an image on its way into a batch, and moves it as was drawn.
struct ImageTransform {
  private let height, width: Int
  private let normalization: Normalization
  private let tables: [[Float]]

  /// - Parameter tables: the normalisation's, per channel.
  init(_ dataset: Dataset, _ normalization: Normalization, _ tables: [[Float]]) {
    (height, width) = (dataset.height, dataset.width)
    (self.normalization, self.tables) = (normalization, tables)
  }

  private var plane: Int { height * width }

  func write(_ image: Dataset.Image, to output: UnsafeMutableBufferPointer<Float>, _ draw: AugmentationDraw?) {
    guard let draw else { return copy(image, to: output) }
    withUnsafeTemporaryAllocation(of: Int.self, capacity: height + width) { sources in
      let rows = UnsafeMutableBufferPointer(rebasing: sources[..<height])
      let columns = UnsafeMutableBufferPointer(rebasing: sources[height...])
      for y in 0..<height { rows[y] = draw.sourceRow(y, of: height) ?? -1 }
      for x in 0..<width { columns[x] = draw.sourceColumn(x, of: width) ?? -1 }
      move(image, to: output, UnsafeBufferPointer(rows), UnsafeBufferPointer(columns))
    }
    if let hole = draw.hole { cut(hole, from: output) }
  }

  private func copy(_ image: Dataset.Image, to output: UnsafeMutableBufferPointer<Float>) {
    for channel in tables.indices {
      let start = channel * plane
      switch image {
      case .bytes(let pixels):
        tables[channel].withUnsafeBufferPointer { table in
          for index in start..<start + plane { output[index] = table[Int(pixels[index])] }
        }
      case .floats(let values):
        let (mean, deviation) = (normalization.mean[channel], normalization.deviation[channel])
        for index in start..<start + plane { output[index] = (values[index] - mean) / deviation }
      }
    }
  }

  /// - Parameters: rows, columns: of the source; −1: outside, which is black.
  private func move(
    _ image: Dataset.Image, to output: UnsafeMutableBufferPointer<Float>, _ rows: UnsafeBufferPointer<Int>,
    _ columns: UnsafeBufferPointer<Int>
  ) {
    for channel in tables.indices {
      tables[channel].withUnsafeBufferPointer { table in
        let (mean, deviation) = (normalization.mean[channel], normalization.deviation[channel])
        for y in 0..<height {
          let start = channel * plane + y * width
          let row = UnsafeMutableBufferPointer(rebasing: output[start..<start + width])
          guard rows[y] >= 0 else {
            row.update(repeating: table[0])
            continue
          }
          let source = channel * plane + rows[y] * width
          switch image {
          case .bytes(let pixels):
            for x in 0..<width { row[x] = columns[x] < 0 ? table[0] : table[Int(pixels[source &+ columns[x]])] }
          case .floats(let values):
            for x in 0..<width {
              row[x] = columns[x] < 0 ? table[0] : (values[source &+ columns[x]] - mean) / deviation
            }
          }
        }
      }
    }
  }

  private func cut(_ hole: AugmentationDraw.Hole, from output: UnsafeMutableBufferPointer<Float>) {
    for channel in tables.indices {
      for y in hole.rows {
        for x in hole.columns { output[channel * plane + y * width + x] = 0 }
      }
    }
  }
}
