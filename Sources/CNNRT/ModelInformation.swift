import CCNNRT

extension Model {
  /// Element types; the raw values are ONNX's numbers.
  public enum TensorType: UInt32, Sendable {
    /// Real values.
    case float32 = 1
    /// Quantized activations.
    case uint8 = 2
    /// Quantized weights.
    case int8 = 3
    /// Quantized biases.
    case int32 = 6
  }

  /// What a tensor is called and how it is shaped and stored.
  public struct Tensor: Equatable, Sendable {
    /// Its name in the bundle.
    public var name: String
    /// As it lies in the bundle; nil for one that this version does not know.
    public var type: TensorType?
    /// N, C, H, W; batch 1.
    public var shape: [Int]
    /// real value = (stored − zeroPoint) · scale; 0 where the type is not quantized.
    public var scale: Float
    /// The stored value that means 0.
    public var zeroPoint: Int32

    /// Elements of one image.
    public var count: Int { shape.reduce(1, *) }

    init(_ info: cnnrt_tensor_info) {
      name = info.name.map { String(cString: $0) } ?? ""
      type = TensorType(rawValue: UInt32(info.type.rawValue))
      shape = dimensions(info.shape, rank: info.rank)
      scale = info.scale
      zeroPoint = info.zero_point
    }
  }

  /// An operator of the network.
  public struct Layer: Equatable, Sendable {
    /// Its name in the bundle.
    public var name: String
    /// ONNX's name: "Conv", "MaxPool", …
    public var op: String
    /// Per image.
    public var multiplyAdds: UInt64
    /// Of its constants.
    public var weightBytes: UInt64
    /// Its first output.
    public var output: Tensor
  }

  /// How an 8-bit image becomes the input: input = (pixel / 255 − mean) / deviation.
  public struct Recipe: Equatable, Sendable {
    /// What the input's channels are.
    public enum ChannelOrder: UInt32, Sendable {
      /// One channel; colours are weighed.
      case grey = 0
      /// Red, green, blue.
      case rgb = 1
      /// Blue, green, red.
      case bgr = 2
    }

    /// How an image of another size becomes the input's.
    public enum Resize: UInt32, Sendable {
      /// To the input's size, whatever its proportions.
      case stretch = 0
      /// The shorter side to ``Model/Recipe/resizeShorter``, then the middle is cut out.
      case crop = 1
      /// As large as fits, with ``Model/Recipe/fill`` around it.
      case letterbox = 2
    }

    /// Of the input.
    public var width: Int
    /// Of the input.
    public var height: Int
    /// 1 or 3.
    public var channels: Int
    /// What the channels are.
    public var channelOrder: ChannelOrder
    /// How an image of another size becomes the input's.
    public var resize: Resize
    /// `crop`: the image's shorter side before the middle is cut out.
    public var resizeShorter: Int
    /// `letterbox`: the colour around the image, per channel.
    public var fill: [UInt8]
    /// Per channel, of pixels in 0…1.
    public var mean: [Float]
    /// Per channel, of pixels in 0…1.
    public var deviation: [Float]
  }

  /// What a model is and how much memory it takes.
  public struct Information: Equatable, Sendable {
    /// int8 weights, uint8 activations: the same bits on every instruction set …
    public var isQuantized: Bool
    /// … unless some layers are in float.
    public var isMixed: Bool
    /// ``Session/selfTest()`` can prove that this machine computes what the workstation did.
    public var hasSelfTest: Bool
    /// Of the bundle.
    public var fileBytes: UInt64
    /// Of all constants, inflated.
    public var weightBytes: UInt64
    /// Allocated by the model, the mapping not counted.
    public var memoryBytes: UInt64
    /// Of the file, mapped.
    public var mappedBytes: UInt64
    /// The instruction set it runs on.
    public var isa: String
  }

  private var info: cnnrt_model_info {
    var info = cnnrt_model_info()
    info.size = MemoryLayout<cnnrt_model_info>.size
    _ = cnnrt_model_get_info(handle, &info)
    return info
  }

  /// What the model is and how much memory it takes.
  public var information: Information {
    let info = info
    return Information(
      isQuantized: info.quantized != 0, isMixed: info.mixed != 0, hasSelfTest: info.has_self_test != 0,
      fileBytes: info.file_bytes, weightBytes: info.weight_bytes, memoryBytes: info.memory_bytes,
      mappedBytes: info.mapped_bytes, isa: info.isa.map { String(cString: $0) } ?? "")
  }

  /// In the order of their indices.
  public var inputs: [Tensor] { tensors(info.input_count, cnnrt_model_get_input) }
  /// In the order of their indices.
  public var outputs: [Tensor] { tensors(info.output_count, cnnrt_model_get_output) }

  private func tensors(
    _ count: UInt32,
    _ get: (OpaquePointer, UInt32, UnsafeMutablePointer<cnnrt_tensor_info>) -> cnnrt_status
  ) -> [Tensor] {
    (0..<count).map { index in
      var info = cnnrt_tensor_info()
      info.size = MemoryLayout<cnnrt_tensor_info>.size
      _ = get(handle, index, &info)
      return Tensor(info)
    }
  }

  /// In the order in which they run.
  public var layers: [Layer] {
    (0..<info.layer_count).map { index in
      var info = cnnrt_layer_info()
      info.size = MemoryLayout<cnnrt_layer_info>.size
      info.output.size = MemoryLayout<cnnrt_tensor_info>.size
      _ = cnnrt_model_get_layer(handle, index, &info)
      return Layer(
        name: String(cString: info.name), op: String(cString: info.op), multiplyAdds: info.multiply_adds,
        weightBytes: info.weight_bytes, output: Tensor(info.output))
    }
  }

  /// The classes' names; empty if the bundle has none.
  public var labels: [String] { (0..<Int(info.label_count)).compactMap(label) }

  /// The name of a class, or nil.
  public func label(_ index: Int) -> String? {
    UInt32(exactly: index).flatMap { cnnrt_model_label(handle, $0) }.map { String(cString: $0) }
  }

  /// The value of a metadata key, or nil.
  public func metadata(_ key: String) -> String? { cnnrt_model_metadata(handle, key).map { String(cString: $0) } }

  /// All metadata, in the bundle's order.
  public var metadata: [(key: String, value: String)] {
    (0..<info.metadata_count).compactMap { index in
      cnnrt_model_metadata_key(handle, index).map { key in
        (String(cString: key), cnnrt_model_metadata(handle, key).map { String(cString: $0) } ?? "")
      }
    }
  }

  /// How an 8-bit image becomes the input, which ``Session/setImage(_:width:height:channels:rowBytes:batchIndex:)`` follows;
  /// nil if the bundle has none.
  public var recipe: Recipe? {
    var recipe = cnnrt_recipe()
    recipe.size = MemoryLayout<cnnrt_recipe>.size
    guard cnnrt_model_get_recipe(handle, &recipe) == CNNRT_OK,
      let order = Recipe.ChannelOrder(rawValue: recipe.channel_order),
      let resize = Recipe.Resize(rawValue: recipe.resize)
    else { return nil }
    func channels<T>(_ values: (T, T, T)) -> [T] {
      Array([values.0, values.1, values.2].prefix(Int(recipe.channels)))
    }
    return Recipe(
      width: Int(recipe.width), height: Int(recipe.height), channels: Int(recipe.channels), channelOrder: order,
      resize: resize, resizeShorter: Int(recipe.resize_shorter),
      fill: channels(recipe.fill).map { UInt8(truncatingIfNeeded: $0) },
      mean: channels(recipe.mean), deviation: channels(recipe.deviation))
  }
}

/// The first `rank` of six dimensions.
package func dimensions(_ shape: (Int64, Int64, Int64, Int64, Int64, Int64), rank: UInt32) -> [Int] {
  withUnsafeBytes(of: shape) { $0.bindMemory(to: Int64.self).prefix(Int(rank)).map(Int.init) }
}
