import CNNModel
import CNNSupport

/// What takes parts of a tensor: Slice, Split, Gather.
extension ImportWalk {
  var selections: [String: Converter] {
    [
      "Slice": { (node) throws(CNNError) in
        let x = try self.activation(node, 0, "data")
        guard let starts = try self.integers(node, 1, "starts"), let ends = try self.integers(node, 2, "ends") else {
          throw CNNError("its inputs starts and ends are missing")
        }
        let slice = try ONNXSlice(
          of: x.shape, starts: starts, ends: ends, axes: try self.integers(node, 3, "axes"),
          steps: try self.integers(node, 4, "steps"))
        return [try self.slice(x, starts: slice.starts, sizes: slice.shape, steps: slice.steps)]
      },
      "Split": { (node) throws(CNNError) in try self.split(node) },
      "Gather": { (node) throws(CNNError) in [try self.gather(node)] },
      "Resize": { (node) throws(CNNError) in [.activation(try self.resize(node))] },
    ]
  }

  /// A part of a value; without elements it is a constant.
  private func slice(
    _ x: ImportedActivation, starts: [Int], sizes: [Int], steps: [Int]
  ) throws(CNNError) -> ImportedValue {
    if sizes.contains(0) { return .constant(ONNXTensor(shape: sizes, floats: [])) }
    let touched = x.shape.indices.filter { sizes[$0] != x.shape[$0] || steps[$0] != 1 }
    guard !touched.isEmpty else { return .activation(x) }
    let x = try avoiding(touched, x)
    var part = Slice(starts: starts, sizes: sizes, steps: steps)
    if x.form == .whole {
      part = Slice(starts: [0] + starts, sizes: [1] + sizes, steps: [1] + steps)
    } else {
      part.sizes[0] = 1
    }
    return result(try emit(.slice(part), [x.tensor]), sizes, x.form, x.type)
  }

  private func split(_ node: ONNXNode) throws(CNNError) -> [ImportedValue] {
    let x = try activation(node, 0, "input")
    let axis = try checkedAxis(node.int("axis") ?? 0, rank: x.shape.count)
    let parts = node.int("num_outputs") ?? node.outputs.count
    let sizes = try ONNXShape.split(x.shape[axis], sizes: try integers(node, 1, "split"), parts: parts)
    var (starts, results): ([Int], [ImportedValue]) = (x.shape.map { _ in 0 }, [])
    for size in sizes {
      var shape = x.shape
      shape[axis] = size
      results.append(try slice(x, starts: starts, sizes: shape, steps: x.shape.map { _ in 1 }))
      starts[axis] += size
    }
    return results
  }

  private func gather(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try activation(node, 0, "data")
    let axis = try checkedAxis(node.int("axis") ?? 0, rank: x.shape.count)
    let indices = try constant(node, 1, "indices")
    let size = x.shape[axis]
    guard let given = indices.integers, !given.isEmpty, given.allSatisfy({ (-size..<size).contains($0) }) else {
      throw CNNError("its indices are none of an axis of \(size)")
    }
    let joined = try gathered(x, axis: axis, given.map { $0 < 0 ? $0 + size : $0 })
    return .activation(try reshaped(joined, to: x.shape[..<axis] + indices.shape + x.shape[(axis + 1)...]))
  }

  /// The elements at these places of an axis. Those that lie at equal distances are one Slice; others are cut out run by
  /// run and put together.
  func gathered(_ x: ImportedActivation, axis: Int, _ places: [Int]) throws(CNNError) -> ImportedActivation {
    let runs = runs(places)
    guard runs.count <= 4096 else { throw CNNError("gathers \(runs.count) separate parts") }
    var parts: [ImportedActivation] = []
    for run in runs {
      var (starts, sizes, steps) = (x.shape.map { _ in 0 }, x.shape, x.shape.map { _ in 1 })
      (starts[axis], sizes[axis], steps[axis]) = (run.start, run.count, run.step)
      if case .activation(let part) = try slice(x, starts: starts, sizes: sizes, steps: steps) { parts.append(part) }
    }
    return try concatenated(parts, axis: axis)
  }

  /// Indices as few runs at equal distances.
  private func runs(_ indices: [Int]) -> [(start: Int, count: Int, step: Int)] {
    var runs: [(start: Int, count: Int, step: Int)] = []
    for index in indices {
      guard let last = runs.last else {
        runs.append((index, 1, 1))
        continue
      }
      let step = index - (last.start + (last.count - 1) * last.step)
      if step != 0, last.count == 1 || step == last.step {
        runs[runs.count - 1] = (last.start, last.count + 1, step)
      } else {
        runs.append((index, 1, 1))
      }
    }
    return runs
  }
}
