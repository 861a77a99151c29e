import CCNNRT

/// A network from a bundle, ready for sessions. Immutable: any number of threads may use one at the same time. It is
/// closed when the last session and the last reference to it are gone.
public final class Model: @unchecked Sendable {
  package let handle: OpaquePointer

  public struct Options: Sendable {
    /// Instruction set ("avx2", "neon", …), or nil for the processor's best. int8 results are the same on each.
    public var isa: String?
    /// Checks the weights' checksums on opening; reads the whole file.
    public var verify = false
    /// Reads the whole file into memory rather than map it.
    public var copy = false
    /// Bytes the model may allocate; 0: 2 GiB.
    public var maxMemory: UInt64 = 0

    public init(isa: String? = nil, verify: Bool = false, copy: Bool = false, maxMemory: UInt64 = 0) {
      self.isa = isa
      self.verify = verify
      self.copy = copy
      self.maxMemory = maxMemory
    }

    func withC<R>(copy: Bool, _ body: (UnsafePointer<cnnrt_model_options>) -> R) -> R {
      var options = cnnrt_model_options()
      options.size = MemoryLayout<cnnrt_model_options>.size
      options.flags = (copy ? UInt32(CNNRT_MODEL_COPY) : 0) | (verify ? UInt32(CNNRT_MODEL_VERIFY) : 0)
      options.max_memory = maxMemory
      guard let isa else { return body(&options) }
      return isa.withCString { name in
        options.isa = name
        return body(&options)
      }
    }
  }

  /// Opens a bundle. Stored weights are mapped and used in place, so the file must not be changed while the model is
  /// open (replacing it is fine), unless `options.copy`.
  public init(path: String, options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: options.copy) { cnnrt_model_open(path, $0, out, error) }
    }
  }

  /// Opens a bundle in memory; the model keeps a copy of its own.
  public init(bytes: [UInt8], options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: true) { cnnrt_model_open_memory(bytes, bytes.count, $0, out, error) }
    }
  }

  /// Opens a bundle in memory that the model uses in place.
  /// - Parameter bytes: aligned to 64, unchanged and valid as long as the model.
  public init(unownedBytes bytes: UnsafeRawBufferPointer, options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: options.copy) { cnnrt_model_open_memory(bytes.baseAddress, bytes.count, $0, out, error) }
    }
  }

  deinit { cnnrt_model_close(handle) }

  private static func open(
    _ call: (UnsafeMutablePointer<OpaquePointer?>, UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status
  ) throws(CNNRTError) -> OpaquePointer {
    var handle: OpaquePointer?
    try check { call(&handle, $0) }
    return handle!
  }

  /// Checks the checksum of every section, the weights' stored sums included.
  public func verify() throws(CNNRTError) { try check { cnnrt_model_verify(handle, $0) } }
}

// MARK: Looking into a model

extension Model {
  /// Element types; the raw values are ONNX's numbers.
  public enum TensorType: UInt32, Sendable {
    case float32 = 1
    case uint8 = 2
    case int8 = 3
    case int32 = 6
  }

  public struct Tensor: Equatable, Sendable {
    public var name: String
    /// As it lies in the bundle; nil for one that this version does not know.
    public var type: TensorType?
    /// N, C, H, W; batch 1.
    public var shape: [Int]
    /// real value = (stored − zeroPoint) · scale; 0 where the type is not quantized.
    public var scale: Float
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

  public struct Layer: Equatable, Sendable {
    public var name: String
    /// ONNX's name: "Conv", "MaxPool", …
    public var op: String
    /// Per image.
    public var multiplyAdds: UInt64
    public var weightBytes: UInt64
    /// Its first output.
    public var output: Tensor
  }

  /// How an 8-bit image becomes the input: input = (pixel / 255 − mean) / deviation.
  public struct Recipe: Equatable, Sendable {
    public enum ChannelOrder: UInt32, Sendable {
      case grey = 0
      case rgb = 1
      case bgr = 2
    }

    public enum Resize: UInt32, Sendable {
      case stretch = 0
      case crop = 1
      case letterbox = 2
    }

    public var width: Int
    public var height: Int
    public var channels: Int
    public var channelOrder: ChannelOrder
    public var resize: Resize
    /// `crop`: the image's shorter side before the middle is cut out.
    public var resizeShorter: Int
    /// `letterbox`: the colour around the image, per channel.
    public var fill: [UInt8]
    public var mean: [Float]
    public var deviation: [Float]
  }

  public struct Information: Equatable, Sendable {
    /// int8 weights, uint8 activations: the same bits on every instruction set …
    public var isQuantized: Bool
    /// … unless some layers are in float.
    public var isMixed: Bool
    public var hasSelfTest: Bool
    public var fileBytes: UInt64
    /// Of all constants, inflated.
    public var weightBytes: UInt64
    /// Allocated by the model, the mapping not counted.
    public var memoryBytes: UInt64
    /// Of the file, mapped.
    public var mappedBytes: UInt64
    public var isa: String
  }

  private var info: cnnrt_model_info {
    var info = cnnrt_model_info()
    info.size = MemoryLayout<cnnrt_model_info>.size
    _ = cnnrt_model_get_info(handle, &info)
    return info
  }

  public var information: Information {
    let info = info
    return Information(
      isQuantized: info.quantized != 0, isMixed: info.mixed != 0, hasSelfTest: info.has_self_test != 0,
      fileBytes: info.file_bytes, weightBytes: info.weight_bytes, memoryBytes: info.memory_bytes,
      mappedBytes: info.mapped_bytes, isa: info.isa.map { String(cString: $0) } ?? "")
  }

  public var inputs: [Tensor] { tensors(info.input_count, cnnrt_model_get_input) }
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
  public var labels: [String] { (0..<info.label_count).compactMap(label) }

  /// The name of a class, or nil.
  public func label(_ index: UInt32) -> String? { cnnrt_model_label(handle, index).map { String(cString: $0) } }

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

// MARK: The library

/// The library behind this module.
public enum Library {
  /// "1.0.0"
  public static var version: String { String(cString: cnnrt_version_string()) }

  /// The instruction set that models use unless told otherwise; nil if `CNNRT_ISA` names one that is not there.
  public static var isa: String? { cnnrt_isa().map { String(cString: $0) } }

  /// The instruction sets of the library that this processor has, best last.
  public static var availableISAs: [String] {
    var names: [String] = []
    while let name = cnnrt_isa_available(UInt32(names.count)) { names.append(String(cString: name)) }
    return names
  }
}

/// The first `rank` of six dimensions.
package func dimensions(_ shape: (Int64, Int64, Int64, Int64, Int64, Int64), rank: UInt32) -> [Int] {
  withUnsafeBytes(of: shape) { $0.bindMemory(to: Int64.self).prefix(Int(rank)).map(Int.init) }
}
