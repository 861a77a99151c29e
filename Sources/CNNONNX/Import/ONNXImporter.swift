import CNNModel
import CNNPasses
import CNNSupport

/// Makes a graph of an ONNX file: what is known is folded, exporters' patterns are recognised, each node becomes operators
/// of ours, and the passes of inference run on them.
public struct ONNXImporter: Sendable {
  public struct Options: Sendable {
    /// Shapes of inputs by name, the batch included: for files that leave sizes open.
    public var shapes: [String: [Int]] = [:]
    /// Height, width and channels of the image inputs whose sizes the file leaves open.
    public var imageSize: ImageSize?
    /// What a batch of which the file says nothing is.
    public var batch = 1
    /// How an 8-bit image becomes the first input; nil: the network reads tensors.
    public var recipe: ImageRecipe?
    public var labels: [String] = []
    /// Values of inputs that are known: the network has no such inputs then.
    package var constants: [String: ONNXTensor] = [:]

    public init() {}
  }

  /// What of a recipe a file does not say; the size is the input's.
  public struct ImageRecipe: Equatable, Sendable {
    /// One per channel, in channel order.
    public var mean: [Float]
    /// One per channel, in channel order; not 0.
    public var deviation: [Float]
    public var channelOrder: Recipe.ChannelOrder

    public init(mean: [Float], deviation: [Float], channelOrder: Recipe.ChannelOrder) {
      (self.mean, self.deviation, self.channelOrder) = (mean, deviation, channelOrder)
    }
  }

  public var options: Options

  public init(options: Options = Options()) { self.options = options }

  /// Reads and converts a file.
  /// - Throws: what in the file is damaged, or all that has no equivalent here: operator, node, opset and attribute.
  public func importGraph(_ path: String) throws(CNNError) -> Imported {
    do {
      return try importGraph(try ONNXGraph(contentsOf: path))
    } catch {
      throw error.place.hasPrefix(path) ? error : error.inside(path)
    }
  }

  /// Converts a graph as a file has it.
  package func importGraph(_ source: ONNXGraph) throws(CNNError) -> Imported {
    var onnx = source
    try fixInputs(&onnx)
    let reports = try onnx.prepareForImport()
    var walk = ImportWalk(onnx, mode: .images(try batch(of: onnx)))
    try convert(walk)
    if walk.needsWhole {
      walk = ImportWalk(onnx, mode: .whole)
      try convert(walk)
    }
    return try Imported(walk, options: options, reports: reports)
  }

  private func convert(_ walk: ImportWalk) throws(CNNError) {
    try walk.addInputs(recipe: options.recipe)
    walk.run()
    if walk.needsWhole && walk.mode != .whole { return }
    guard walk.errors.isEmpty else { throw combined(walk.errors) }
    try walk.addOutputs()
  }

  private func combined(_ errors: [CNNError]) -> CNNError {
    if errors.count == 1 { return errors[0] }
    let shown = errors.prefix(50).map { "\n  \($0.description)" }.joined()
    let rest = errors.count > 50 ? "\n  … and \(errors.count - 50) more" : ""
    return CNNError("\(errors.count) nodes cannot be imported:" + shown + rest)
  }

  // MARK: Inputs

  /// Makes the shapes of all inputs known, and known inputs constants.
  private func fixInputs(_ onnx: inout ONNXGraph) throws(CNNError) {
    for (name, tensor) in options.constants {
      onnx.constants[name] = tensor
      onnx.inputs.removeAll { $0.name == name }
    }
    for index in onnx.inputs.indices {
      let input = onnx.inputs[index]
      do {
        let shape = try InputShape(input, options).sizes
        if shape.contains(0) {
          // Nothing is known already.
          onnx.constants[input.name] = ONNXTensor(input.type ?? .float, shape: shape, floats: [])
        } else {
          onnx.inputs[index].shape = shape.map { .size($0) }
        }
      } catch { throw error.inside("input “\(input.name)”") }
    }
    onnx.inputs.removeAll { onnx.constants[$0.name] != nil }
    if let unknown = options.shapes.keys.sorted().first(where: { name in !source(onnx, has: name) }) {
      throw CNNError("there is no input “\(unknown)”")
    }
  }

  private func source(_ onnx: ONNXGraph, has name: String) -> Bool {
    onnx.constants[name] != nil || onnx.inputs.contains { $0.name == name }
  }

  /// The first axis of the inputs if it is the same for all, else 1.
  private func batch(of onnx: ONNXGraph) throws(CNNError) -> Int {
    let firsts = Set(onnx.inputs.map { $0.knownShape.first ?? 0 })
    guard let batch = firsts.first, firsts.count == 1, batch > 0, batch <= 4096 else { return 1 }
    return batch
  }
}

extension ONNXGraph.Value {
  /// Of an input whose sizes are all known.
  var knownShape: [Int] { (shape ?? []).map { if case .size(let size) = $0 { size } else { 1 } } }
}

/// The shape of an input, from the file and the options.
private struct InputShape {
  var sizes: [Int]

  init(_ input: ONNXGraph.Value, _ options: ONNXImporter.Options) throws(CNNError) {
    guard let type = input.type else { throw CNNError("is no tensor of a type that is supported") }
    guard type == .float || type == .uint8 || type == .int8 else {
      throw CNNError("is \(type.name)", advice: "float, uint8 and int8 are possible")
    }
    if let given = options.shapes[input.name] {
      sizes = given
    } else {
      guard let declared = input.shape else {
        throw CNNError("has no shape", advice: "give its shape")
      }
      sizes = try InputShape.sizes(declared, options)
    }
    if let declared = input.shape {
      let fits =
        declared.count == sizes.count
        && zip(declared, sizes).allSatisfy { dimension, size in
          if case .size(let own) = dimension { own == size } else { true }
        }
      guard fits else { throw CNNError("is \(InputShape.text(declared)), not \(sizes)") }
    }
    guard sizes.contains(0) || sizes.checkedCount != nil else { throw CNNError("has the shape \(sizes)") }
  }

  private static func text(_ shape: [ONNXGraph.Dimension]) -> String {
    let parts = shape.map { dimension in
      switch dimension {
      case .size(let size): "\(size)"
      case .symbol(let name): name.isEmpty ? "?" : name
      }
    }
    return "[" + parts.joined(separator: ", ") + "]"
  }

  private static func sizes(
    _ declared: [ONNXGraph.Dimension], _ options: ONNXImporter.Options
  ) throws(CNNError) -> [Int] {
    var image: [Int?] = declared.map { _ in nil }
    if let size = options.imageSize, declared.count == 4 {
      // Channels last if that is where the file has this number of them, and not where they usually are.
      let isLast = declared[3] == .size(size.channels) && declared[1] != .size(size.channels)
      let sizes = [size.height, size.width]
      image = isLast ? [nil] + sizes + [size.channels] : [nil, size.channels] + sizes
    }
    var result: [Int] = []
    for (axis, dimension) in declared.enumerated() {
      switch (dimension, image[axis]) {
      case (.size(let size), nil): result.append(size)
      case (.size(let size), let wanted?):
        guard size == wanted else { throw CNNError("is \(text(declared)), which is not the size that was asked for") }
        result.append(size)
      case (.symbol, let wanted?): result.append(wanted)
      case (.symbol, nil):
        guard axis == 0 else {
          throw CNNError(
            "is \(text(declared))", advice: "give the sizes that it leaves open, for images by --input HxWxC")
        }
        result.append(options.batch)
      }
    }
    return result
  }
}

extension ImportWalk {
  /// The network's inputs.
  /// - Parameter recipe: given, an image input with its channels last becomes one with its channels first.
  fileprivate func addInputs(recipe: ONNXImporter.ImageRecipe?) throws(CNNError) {
    for (index, input) in onnx.inputs.enumerated() {
      let shape = input.knownShape
      let type: ONNXType = input.type == .uint8 || input.type == .int8 ? input.type! : .float
      let quantization = type == .float ? nil : Quantization(raw: type)
      let form = form(of: shape)
      do {
        var place = try graphShape(shape, form)
        let isImage = index == 0 && recipe != nil && place.count == 4
        let isTurned = isImage && place[3] == recipe!.mean.count && place[1] != recipe!.mean.count
        if isTurned { place = [0, 3, 1, 2].map { place[$0] } }
        let name = freeTensor(input.name)
        graph.tensors[name] = Tensor(type == .float ? .float32 : .uint8, shape: place, quantization: quantization)
        graph.inputs.append(name)
        let tensor = isTurned ? try emit(.transpose([0, 2, 3, 1]), [name]) : name
        values[input.name] = result(tensor, shape, form, type)
      } catch { throw error.inside("input “\(input.name)”") }
      if needsWhole && mode != .whole { return }
    }
  }

  /// The network's outputs: those that are computed.
  fileprivate func addOutputs() throws(CNNError) {
    for output in onnx.outputs {
      switch values[output.name] {
      case .activation(let activation): values[output.name] = .activation(try finish(output.name, activation))
      case .quantized(let constant):
        values[output.name] = .constant(ONNXTensor(shape: constant.shape, floats: constant.floats))
      case .constant: break
      case nil, .unknown: throw CNNError("nothing computes the output “\(output.name)”")
      }
    }
  }
}
