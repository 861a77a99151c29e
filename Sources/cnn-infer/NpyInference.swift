import CCNNRT
import CSystem

/// Runs the network on each [C, H, W] of a [N, C, H, W] array; the outputs together make a [N, …] array.
func classify(
  npy path: UnsafePointer<CChar>, with network: borrowing Network, saving outputPath: UnsafePointer<CChar>?,
  _ best: borrowing Classes, _ report: Report
) throws(Failure) {
  let array = try NpyArray(path: path)
  let input = network.input
  try check(array.shape, against: input)
  let inputCount = input.countPerImage
  let outputCount = network.outputCount
  let images = input.rank == 0 ? 1 : array.shape[0]
  let (total, overflow) = outputCount.multipliedReportingOverflow(by: images)
  let values = Values(count: inputCount)
  let outputs = Values(count: outputPath == nil || overflow ? 0 : total)
  guard !overflow, let value = values.start, let output = outputs.start else {
    throw Failure("is too large for this machine's memory")
  }
  for image in 0..<images {
    array.copy(from: image * inputCount, count: inputCount, to: value)
    let start = system_clock()
    try network.run(value)
    try network.getBest(best.buffer)
    let nanoseconds = system_clock() - start
    if outputPath != nil { try network.getOutput(output + image * outputCount) }
    var name = Text(cString: path)
    if images > 1 {
      name.append("[")
      name.append(image)
      name.append("]")
    }
    try report.classes(best.buffer, of: name, nanoseconds: nanoseconds, from: network)
  }
  if let outputPath {
    var shape = network.output.shape
    if !shape.isEmpty { shape[0] = images }
    try NpyArray.write(output, shape: shape, to: outputPath)
  }
}

private func check(_ shape: [Int], against input: Tensor) throws(Failure) {
  var fits = shape.count == input.rank
  for axis in 1..<max(1, input.rank) where fits && shape[axis] != input.shape[axis] { fits = false }
  if fits { return }
  var text = Text("has the shape ")
  text.append(shape: shape)
  text.append(", but the network takes ")
  text.append(shape: input.shape)
  throw Failure(text)
}

extension Text {
  fileprivate mutating func append(shape: [Int]) {
    append("[")
    for (axis, size) in shape.enumerated() {
      if axis > 0 { append(", ") }
      append(size)
    }
    append("]")
  }
}

/// Room for values; `start` is nil if there is not so much memory.
private struct Values: ~Copyable {
  let start: UnsafeMutablePointer<Float>?

  init(count: Int) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: 4)
    start = overflow ? nil : system_allocate(bytes)?.assumingMemoryBound(to: Float.self)
  }

  deinit { system_free(start) }
}
