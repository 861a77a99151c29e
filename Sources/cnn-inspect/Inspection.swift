import CNNModel
import CNNSupport

/// Everything that cnn-inspect shows of a bundle; encoded as JSON, these are the keys.
struct Inspection: Encodable {
  struct Section: Encodable {
    var kind: String
    var codec: String
    var offset: Int
    var storedBytes: Int
    var rawBytes: Int
    var crc32: String
    /// nil for a section of a kind that this version does not know.
    var crcOk: Bool?
  }

  struct Value: Encodable {
    var name: String
    var type: String
    var shape: [Int]
    /// real value = (stored − zero point) · scale
    var scale: Float?
    var zeroPoint: Int32?
  }

  struct Parameter: Encodable {
    var name: String
    var type: String
    var shape: [Int]
    /// One, or one per output channel.
    var scales: [Float]?
  }

  struct Layer: Encodable {
    var name: String
    var op: String
    var activation: String?
    var attributes: Attributes
    /// Names of the activations it reads.
    var inputs: [String]
    var output: Value
    var parameters: [Parameter]
    var parameterCount: Int
    var parameterBytes: Int
    var multiplyAdds: Int
  }

  /// ONNX's names; what a kind of operator does not have is nil.
  struct Attributes: Encodable {
    var kernelShape: [Int]?
    var strides: [Int]?
    /// top, left, bottom, right
    var pads: [Int]?
    var dilations: [Int]?
    var group: Int?
    var ceilMode: Bool?
    var countIncludePad: Bool?
    var epsilon: Float?
  }

  struct ImageRecipe: Encodable {
    var width: Int
    var height: Int
    var channelOrder: String
    var resize: String
    var resizeShorter: Int?
    var fill: [UInt8]?
    var mean: [Float]
    var deviation: [Float]
  }

  struct SelfTestSummary: Encodable {
    var inputBytes: Int
    var outputBytes: Int
    var tolerance: Float
  }

  var file: String
  var fileBytes: Int
  var formatVersion: String
  var sections: [Section]
  /// What is wrong with the bundle; everything below is nil then.
  var error: String?
  var quantized: Bool?
  var mixed: Bool?
  var inputs: [Value]?
  var outputs: [Value]?
  var layers: [Layer]?
  var parameterCount: Int?
  var multiplyAdds: Int?
  var recipe: ImageRecipe?
  var labels: [String]?
  var metadata: [String: String]?
  var selfTest: SelfTestSummary?
}

extension Inspection {
  /// - Throws: `CNNError` where not even the section table can be read.
  init(path: String) throws(CNNError) {
    let reader = try BundleReader(path: path)
    file = path
    fileBytes = reader.fileBytes
    formatVersion = "\(reader.version.major).\(reader.version.minor)"
    sections = reader.sections.map { Section($0, reader) }
    do throws(CNNError) { describe(try reader.graph()) } catch { self.error = error.description }
  }

  private mutating func describe(_ graph: Graph) {
    quantized = graph.isQuantized
    mixed = graph.isMixed
    inputs = graph.inputs.map { Value($0, graph) }
    outputs = graph.outputs.map { Value($0, graph) }
    layers = graph.operators.map { Layer($0, graph) }
    parameterCount = graph.parameterCount
    multiplyAdds = graph.multiplyAdds
    recipe = graph.recipe.map(ImageRecipe.init)
    labels = graph.labels
    metadata = Dictionary(graph.metadata.entries.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    selfTest = graph.selfTest.map(SelfTestSummary.init)
  }
}

extension Inspection.Section {
  init(_ section: BundleSection, _ reader: BundleReader) {
    kind = section.kind?.name ?? "\(section.rawKind)"
    codec = section.codec == .stored ? "stored" : "deflate"
    offset = section.offset
    storedBytes = section.storedBytes
    rawBytes = section.rawBytes
    let digits = String(section.crc32, radix: 16)
    crc32 = String(repeating: "0", count: 8 - digits.count) + digits
    crcOk = section.kind.map { (try? reader.contents($0)) != nil }
  }
}

extension Inspection.Value {
  init(_ name: String, _ graph: Graph) {
    let tensor = graph.tensors[name]!
    self.name = name
    type = "\(tensor.type)"
    shape = tensor.shape
    scale = tensor.quantization?.scales.first
    zeroPoint = tensor.quantization?.zeroPoint
  }
}

extension Inspection.Layer {
  init(_ layer: Operator, _ graph: Graph) {
    let constants = layer.inputs.filter { graph.tensors[$0]?.isConstant == true }
    name = layer.name
    op = layer.kind.name
    activation = layer.activation == .relu ? "Relu" : nil
    attributes = Inspection.Attributes(layer.kind)
    inputs = layer.inputs.filter { graph.tensors[$0]?.isConstant == false }
    output = Inspection.Value(layer.output, graph)
    parameters = constants.map { name in
      let tensor = graph.tensors[name]!
      return .init(name: name, type: "\(tensor.type)", shape: tensor.shape, scales: tensor.quantization?.scales)
    }
    parameterCount = constants.reduce(0) { $0 + graph.tensors[$1]!.count }
    parameterBytes = constants.reduce(0) { $0 + graph.tensors[$1]!.count * graph.tensors[$1]!.type.size }
    multiplyAdds = graph.multiplyAdds(of: layer)
  }
}

extension Inspection.Attributes {
  init(_ kind: OperatorKind) {
    switch kind {
    case .conv(let window, let group):
      self.init(window)
      self.group = group
    case .maxPool(let window, let ceilMode):
      self.init(window)
      self.ceilMode = ceilMode
    case .averagePool(let window, let countIncludePad, let ceilMode):
      self.init(window)
      self.ceilMode = ceilMode
      self.countIncludePad = countIncludePad
    case .batchNormalization(let epsilon): self.init(epsilon: epsilon)
    case .gemm, .relu, .globalAveragePool, .globalMaxPool, .add, .flatten, .softmax: self.init()
    }
  }

  private init(_ window: Window) {
    self.init(
      kernelShape: [window.kernelHeight, window.kernelWidth], strides: [window.strideY, window.strideX],
      pads: [window.padTop, window.padLeft, window.padBottom, window.padRight],
      dilations: [window.dilationY, window.dilationX])
  }
}

extension Inspection.ImageRecipe {
  init(_ recipe: Recipe) {
    width = recipe.width
    height = recipe.height
    channelOrder = "\(recipe.channelOrder)"
    mean = recipe.mean
    deviation = recipe.deviation
    switch recipe.resize {
    case .stretch: resize = "stretch"
    case .crop(let shorter): (resize, resizeShorter) = ("crop", shorter)
    case .letterbox(let fill): (resize, self.fill) = ("letterbox", fill)
    }
  }
}

extension Inspection.SelfTestSummary {
  init(_ selfTest: SelfTest) {
    inputBytes = selfTest.inputs.reduce(0) { $0 + $1.count * $1.type.size }
    outputBytes = selfTest.outputs.reduce(0) { $0 + $1.count * $1.type.size }
    tolerance = selfTest.tolerance
  }
}
