/// A network in memory, as the tools make, rewrite and write it: a directed acyclic graph of operators over named
/// tensors, and what travels with it in a bundle. A value: passes change a copy.
public struct Graph: Equatable, Sendable {
  /// By name. The order of a bundle's tensors is that of their first use, so it does not matter here; tensors that no
  /// operator, input or output names are not written.
  public var tensors: [String: Tensor] = [:]
  /// In execution order: an input is a network input, a constant or an earlier operator's output.
  public var operators: [Operator] = []
  /// Names of the network's inputs.
  public var inputs: [String] = []
  /// Names of the network's outputs.
  public var outputs: [String] = []
  /// How an 8-bit image becomes the first input.
  public var recipe: Recipe?
  /// The classes' names, in the order of the outputs.
  public var labels: [String] = []
  public var metadata = Metadata()
  public var selfTest: SelfTest?
  /// The trainer's state, opaque here.
  public var trainingState: [UInt8]?

  public init() {}
}

/// How an 8-bit image becomes the network's input: input = (pixel / 255 − mean) / deviation.
public struct Recipe: Equatable, Sendable {
  public enum ChannelOrder: UInt32, Sendable {
    case grey = 0
    case rgb = 1
    case bgr = 2
  }

  public enum Resize: Equatable, Sendable {
    /// To width × height, whatever the ratio of the sides.
    case stretch
    /// The shorter side to `shorter`, then the middle width × height is cut out.
    case crop(shorter: Int)
    /// As large as fits, centred; the rest is `fill`, one value per channel in channel order.
    case letterbox(fill: [UInt8])
  }

  public var width: Int
  public var height: Int
  public var channelOrder: ChannelOrder
  public var resize: Resize
  /// One per channel, in channel order.
  public var mean: [Float]
  /// One per channel, in channel order; not 0.
  public var deviation: [Float]

  public init(
    width: Int, height: Int, channelOrder: ChannelOrder, resize: Resize = .stretch, mean: [Float], deviation: [Float]
  ) {
    self.width = width
    self.height = height
    self.channelOrder = channelOrder
    self.resize = resize
    self.mean = mean
    self.deviation = deviation
  }

  /// 1 or 3.
  public var channels: Int { channelOrder == .grey ? 1 : 3 }
}

/// Pairs of strings that keep their order.
public struct Metadata: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  public struct Entry: Equatable, Sendable {
    public var key: String
    public var value: String
  }

  public var entries: [Entry] = []

  public init() {}

  public init(dictionaryLiteral elements: (String, String)...) {
    for (key, value) in elements { self[key] = value }
  }

  /// The value of a key. Setting a new key appends it; setting nil removes it.
  public subscript(key: String) -> String? {
    get { entries.first { $0.key == key }?.value }
    set {
      let index = entries.firstIndex { $0.key == key }
      switch (index, newValue) {
      case (let index?, let value?): entries[index].value = value
      case (let index?, nil): entries.remove(at: index)
      case (nil, let value?): entries.append(Entry(key: key, value: value))
      case (nil, nil): break
      }
    }
  }
}

/// An input and the output expected for it, so that a board can prove itself.
public struct SelfTest: Equatable, Sendable {
  /// One per network input, batch 1, row-major, in the input's own type.
  public var inputs: [TensorData]
  /// One per network output, likewise.
  public var outputs: [TensorData]
  /// Float outputs: largest |difference| / largest |expected| allowed. Outputs of a quantized bundle that is not
  /// mixed must be equal to the bit.
  public var tolerance: Float

  public init(inputs: [TensorData], outputs: [TensorData], tolerance: Float) {
    self.inputs = inputs
    self.outputs = outputs
    self.tolerance = tolerance
  }
}

// MARK: Looking around

extension Graph {
  /// The index of the operator that writes a tensor; nil for inputs and constants.
  public func producer(of tensor: String) -> Int? {
    operators.firstIndex { $0.outputs.contains(tensor) }
  }

  /// The indices of the operators that read a tensor.
  public func consumers(of tensor: String) -> [Int] {
    operators.indices.filter { operators[$0].inputs.contains(tensor) }
  }

  /// The tensors that operators, inputs and outputs name, in the order of their first use.
  public var usedTensors: [String] {
    var seen: Set<String> = []
    let names = inputs + operators.flatMap { $0.inputs + $0.outputs } + outputs
    return names.filter { !$0.isEmpty && seen.insert($0).inserted }
  }

  /// A tensor's or operator's name that is free: `base`, or `base` with the first number that makes it so.
  public func freeName(_ base: String) -> String {
    func isFree(_ name: String) -> Bool { tensors[name] == nil && !operators.contains { $0.name == name } }
    if isFree(base) { return base }
    return (2...).lazy.map { "\(base)_\($0)" }.first(where: isFree)!
  }

  /// Whether any layer has int8 weights or uint8 activations.
  public var isQuantized: Bool {
    operators.contains { weight(of: $0)?.type == .int8 || tensors[$0.output]?.type == .uint8 }
  }

  /// Whether a quantized network also computes in float, so that its bits depend on the instruction set. What only
  /// moves or selects values does not count, nor does Softmax, which has one result everywhere.
  public var isMixed: Bool {
    isQuantized
      && operators.contains { layer in
        let readsFloats = layer.inputs.contains { tensors[$0].map { !$0.isConstant && $0.type == .float32 } ?? false }
        switch layer.kind {
        case .softmax, .concat, .quantizeLinear: return false
        case .resize(let resize): return readsFloats && resize.mode == .linear
        default: return readsFloats && !layer.kind.keepsValues
        }
      }
  }

  /// The weight of a Conv, ConvTranspose or Gemm; nil for other operators.
  public func weight(of layer: Operator) -> Tensor? {
    layer.kind.hasWeight ? layer.input(1).flatMap { tensors[$0] } : nil
  }
}

// MARK: Rewriting

extension Graph {
  /// Makes every reader of `old`, the network's outputs included, read `new`.
  public mutating func replaceUses(of old: String, with new: String) {
    for index in operators.indices {
      operators[index].inputs = operators[index].inputs.map { $0 == old ? new : $0 }
    }
    outputs = outputs.map { $0 == old ? new : $0 }
  }

  /// Removes operators whose results nobody reads, and tensors that nobody names.
  public mutating func removeUnused() {
    var needed = Set(outputs)
    var kept: [Operator] = []
    for layer in operators.reversed() where layer.outputs.contains(where: needed.contains) {
      needed.formUnion(layer.inputs)
      kept.append(layer)
    }
    operators = kept.reversed()
    let used = Set(usedTensors)
    tensors = tensors.filter { used.contains($0.key) }
  }
}
