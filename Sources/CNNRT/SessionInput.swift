import CCNNRT

extension Session {
  /// Copies an input in, for the whole batch.
  /// - Parameters:
  ///   - values: `Float`: real values, quantized where the network is. `UInt8`: the stored values of a quantized input.
  ///     As many as the batch has; with strides, at least as far as these reach.
  ///   - key: index or name.
  ///   - layout: how the values lie in memory.
  /// - Throws: `.invalidArgument`.
  public func setInput<Element: TensorElement>(
    _ values: Span<Element>, at key: some TensorKey = 0, layout: Layout = .channelsFirst
  ) throws(CNNRTError) {
    let index = try key.index(in: inputs)
    var array = try cnnrt_array(Element.self, count: values.count, of: inputs[index], batch: batch, layout)
    try values.withUnsafeBytes { bytes throws(CNNRTError) in
      array.data = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
      try check { cnnrt_session_set_input(handle, UInt32(index), &array, $0) }
    }
  }

  /// Makes an image of input 0 from 8-bit pixels: resized, cropped, converted to grey or RGB, normalised and quantized by
  /// the bundle's recipe (``Model/recipe-swift.property``), to the same bits on every processor.
  /// - Parameters:
  ///   - pixels: rows from top to bottom.
  ///   - width: pixels of a row, at most 65,535.
  ///   - height: rows, at most 65,535.
  ///   - channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. Alpha is laid over black.
  ///   - rowBytes: from a row to the next, negative if the bottom row comes first; nil: no gaps.
  ///   - batchIndex: which image of the batch.
  /// - Throws: `.state` if the bundle has no recipe, `.invalidArgument`.
  public func setImage(
    _ pixels: Span<UInt8>, width: Int, height: Int, channels: Int, rowBytes: Int? = nil, batchIndex: Int = 0
  ) throws(CNNRTError) {
    guard 1...65535 ~= width, 1...65535 ~= height, 1...4 ~= channels else {
      throw .wrongArgument("image", "it must have 1 … 65535 pixels each way and 1 … 4 channels")
    }
    let rowBytes = rowBytes ?? width * channels
    let (gaps, isTooLarge) = rowBytes.magnitude.multipliedReportingOverflow(by: UInt(height - 1))
    guard rowBytes.magnitude >= width * channels, !isTooLarge, gaps <= Int.max - width * channels,
      pixels.count >= Int(gaps) + width * channels
    else {
      throw .wrongArgument(
        "pixels", "\(pixels.count) bytes are not \(width)×\(height) pixels of \(channels) bytes, \(rowBytes) a row")
    }
    var image = cnnrt_image()
    image.size = MemoryLayout<cnnrt_image>.size
    image.width = UInt32(width)
    image.height = UInt32(height)
    image.channels = UInt32(channels)
    image.row_bytes = Int64(rowBytes)
    try pixels.withUnsafeBufferPointer { pixels throws(CNNRTError) in
      image.pixels = pixels.baseAddress! + (rowBytes < 0 ? Int(gaps) : 0)
      try check { cnnrt_session_set_image_at(handle, Int32(clamping: batchIndex), &image, $0) }
    }
  }

  /// An input to be written in place, in its own type (``Model/Tensor/type``).
  /// - Throws: `.invalidArgument` if `Element` is another type, `.unsupported` if the input is not kept in a plain order
  ///   (images of more than 16 channels): use ``setInput(_:at:layout:)``.
  public func mapInput<Element: TensorElement>(
    _ key: some TensorKey = 0, as element: Element.Type = Float.self
  ) throws(CNNRTError) -> MappedTensor<Element> {
    let index = try key.index(in: inputs)
    return try map(inputs[index], index, cnnrt_session_map_input)
  }

  func map<Element: TensorElement>(
    _ tensor: Model.Tensor, _ index: Int,
    _ call: (
      OpaquePointer?, UInt32, UnsafeMutablePointer<cnnrt_array>?, UnsafeMutablePointer<cnnrt_error>?
    ) -> cnnrt_status
  ) throws(CNNRTError) -> MappedTensor<Element> {
    guard tensor.type == Element.tensorType else {
      throw .wrongArgument(tensor.name, "it is not kept as \(Element.tensorType); see its type")
    }
    var array = cnnrt_array()
    array.size = MemoryLayout<cnnrt_array>.size
    try check { call(handle, UInt32(index), &array, $0) }
    return MappedTensor(array, self)
  }
}
