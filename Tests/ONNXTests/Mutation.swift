import CNNModel
import CNNONNX
import CNNSupport

/// Damaged models: numbers of attributes, constants and shapes are replaced by ones that nobody means. An import may refuse
/// them, or not; it must not crash.
struct Mutation {
  var random: Random

  private static let numbers = [
    0, 1, -1, 2, -2, 3, 7, 255, 65_536, 1 << 31, -1 << 31, 1 << 40, Int.max, Int.min, Int.max - 1,
  ]
  private static let floats: [Float] = [0, -1, 1e-30, 1e30, .infinity, .nan, -.infinity, 1e9, 0.5]

  private mutating func number() -> Int { Self.numbers[random.below(Self.numbers.count)] }
  private mutating func float() -> Float { Self.floats[random.below(Self.floats.count)] }

  /// The model with up to three changes.
  mutating func damaged(_ model: ONNXGraph) -> ONNXGraph {
    var model = model
    for _ in 0...random.below(3) {
      switch random.below(4) {
      case 0, 1: damageAttribute(&model)
      case 2: damageConstant(&model)
      default: damageInput(&model)
      }
    }
    return model
  }

  private mutating func damageAttribute(_ model: inout ONNXGraph) {
    guard !model.nodes.isEmpty else { return }
    let index = random.below(model.nodes.count)
    let names = model.nodes[index].attributes.keys.sorted()
    guard !names.isEmpty else { return }
    let name = names[random.below(names.count)]
    switch model.nodes[index].attributes[name]! {
    case .int: model.nodes[index].attributes[name] = .int(number())
    case .ints(var list):
      if list.isEmpty || random.below(4) == 0 {
        list.append(number())
      } else {
        list[random.below(list.count)] = number()
      }
      model.nodes[index].attributes[name] = .ints(list)
    case .float: model.nodes[index].attributes[name] = .float(float())
    case .string: model.nodes[index].attributes[name] = .string("nonsense")
    case .tensor(let tensor): model.nodes[index].attributes[name] = .tensor(damaged(tensor))
    default: model.nodes[index].attributes[name] = nil
    }
  }

  private mutating func damageConstant(_ model: inout ONNXGraph) {
    let names = model.constants.keys.sorted()
    guard !names.isEmpty else { return }
    let name = names[random.below(names.count)]
    model.constants[name] = damaged(model.constants[name]!)
  }

  /// Another value, or as many values in another shape.
  private mutating func damaged(_ tensor: ONNXTensor) -> ONNXTensor {
    var tensor = tensor
    if random.below(4) == 0 {
      tensor.shape = random.below(2) == 0 ? [tensor.count] : [1] + tensor.shape
      return tensor
    }
    switch tensor.values {
    case .floats(var list) where !list.isEmpty:
      list[random.below(list.count)] = float()
      tensor.values = .floats(list)
    case .integers(var list) where !list.isEmpty:
      // What the type can hold, as a file has it.
      let value = number()
      list[random.below(list.count)] =
        switch tensor.type {
        case .int64, .uint64: Int64(value)
        case .int32, .uint32: Int64(Int32(truncatingIfNeeded: value))
        case .bool: Int64(value & 1)
        default: Int64(UInt8(truncatingIfNeeded: value) & 127)
        }
      tensor.values = .integers(list)
    default: break
    }
    return tensor
  }

  private mutating func damageInput(_ model: inout ONNXGraph) {
    guard !model.inputs.isEmpty else { return }
    let index = random.below(model.inputs.count)
    guard var shape = model.inputs[index].shape else { return }
    if shape.isEmpty || random.below(3) == 0 {
      shape.insert(.size(1 + random.below(3)), at: 0)
    } else if random.below(3) == 0 {
      shape.removeLast()
    } else {
      shape[random.below(shape.count)] = random.below(3) == 0 ? .symbol("n") : .size(abs(number() % 1000))
    }
    model.inputs[index].shape = shape
  }
}

extension ConformanceCase {
  /// Imports damaged versions of the model, with the test's integers as constants.
  /// - Returns: how many of them could be imported.
  func importDamaged(_ count: Int, seed: UInt64) -> Int {
    guard var model = try? ONNXGraph(contentsOf: "\(folder)/model.onnx"),
      let inputs = try? tensors("input", of: "test_data_set_0")
    else { return 0 }
    let needed = constantChoices(model, inputs).last!
    for (input, value) in zip(model.inputs, inputs) where needed.contains(input.name) {
      model.constants[input.name] = value
      model.inputs.removeAll { $0.name == input.name }
    }
    var mutation = Mutation(random: Random(seed: seed))
    return (0..<count).count { _ in
      guard let imported = try? ONNXImporter().importGraph(mutation.damaged(model)) else { return false }
      // What is imported is a bundle, or breaks one of its rules.
      return (try? BundleWriter(codec: .stored).bytes(of: imported.graph)) != nil
    }
  }
}
