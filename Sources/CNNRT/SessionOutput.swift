import CCNNRT

extension Session {
  /// An output's values, row-major, for the whole batch.
  /// - Parameters:
  ///   - key: index or name.
  ///   - element: `Float`: real values, dequantized. `UInt8`: the stored values of a quantized output.
  /// - Throws: `.state` before the first run, `.invalidArgument`.
  public func output<Element: TensorElement>(
    _ key: some TensorKey = 0, as element: Element.Type = Float.self
  ) throws(CNNRTError) -> [Element] {
    let index = try key.index(in: outputs)
    let count = outputs[index].count * batch
    return try [Element](capacity: count) { output throws(CNNRTError) in
      try output.withUnsafeMutableBufferPointer { buffer, written throws(CNNRTError) in
        try get(UnsafeMutableBufferPointer(rebasing: buffer.prefix(count)), index, .channelsFirst)
        written = count
      }
    }
  }

  /// Copies an output out, for the whole batch, into the caller's memory.
  /// - Parameters:
  ///   - values: as many as the batch has; with strides, at least as far as these reach.
  ///   - key: index or name.
  ///   - layout: how the values shall lie in memory.
  /// - Throws: `.state` before the first run, `.invalidArgument`.
  public func getOutput<Element: TensorElement>(
    into values: inout MutableSpan<Element>, at key: some TensorKey = 0, layout: Layout = .channelsFirst
  ) throws(CNNRTError) {
    let index = try key.index(in: outputs)
    try values.withUnsafeMutableBufferPointer { values throws(CNNRTError) in try get(values, index, layout) }
  }

  private func get<Element: TensorElement>(
    _ values: UnsafeMutableBufferPointer<Element>, _ index: Int, _ layout: Layout
  ) throws(CNNRTError) {
    var array = try cnnrt_array(Element.self, count: values.count, of: outputs[index], batch: batch, layout)
    array.data = UnsafeMutableRawPointer(values.baseAddress)
    try check { cnnrt_session_get_output(handle, UInt32(index), &array, $0) }
  }

  /// An output to be read in place, in its own type (``Model/Tensor/type``): what the last run computed.
  /// - Throws: `.invalidArgument` if `Element` is another type, `.unsupported` if the output is not kept in a plain order
  ///   (images of more than 16 channels): use ``getOutput(into:at:layout:)``.
  public func mapOutput<Element: TensorElement>(
    _ key: some TensorKey = 0, as element: Element.Type = Float.self
  ) throws(CNNRTError) -> MappedTensor<Element> {
    let index = try key.index(in: outputs)
    return try map(outputs[index], index, cnnrt_session_map_output)
  }

  /// One of the classes with the highest scores.
  public struct Classification: Equatable, Sendable {
    /// Where its score is in the output.
    public var index: Int
    /// The bundle's label for it, or nil.
    public var label: String?
    /// A probability if the output is a softmax; otherwise what the network gives.
    public var score: Float
  }

  /// The k largest of an output's values for an image of the batch, best first, dequantized; equal ones by lower index
  /// first; fewer if there are fewer.
  /// - Throws: `.state` before the first run, `.invalidArgument`.
  public func topK(
    _ k: Int, of output: some TensorKey = 0, batchIndex: Int = 0
  ) throws(CNNRTError) -> [Classification] {
    let index = try output.index(in: outputs)
    var classes = [cnnrt_class](repeating: cnnrt_class(), count: min(max(k, 0), outputs[index].count))
    let count = UInt32(classes.count)
    try check { cnnrt_session_top_k_at(handle, UInt32(index), Int32(clamping: batchIndex), count, &classes, $0) }
    return classes.map {
      Classification(index: Int($0.index), label: model.label(Int($0.index)), score: $0.score)
    }
  }
}
