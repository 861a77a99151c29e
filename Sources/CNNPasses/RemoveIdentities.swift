import CNNModel

extension Pass {
  /// Operators that give what they read: Dropout outside training, Concat of one tensor, Slice of everything, Pad by
  /// nothing, Clip without bounds, x + 0, x · 1, Reshape, Transpose and Resize to what is there, pools of one pixel.
  public static let removeIdentities = Pass.everywhere("remove-identities") { graph, index in
    graph.isIdentity(index) && graph.bypass(index) || graph.removeNeutralOperand(index)
  }
}

extension GraphEditor {
  fileprivate func isIdentity(_ index: Int) -> Bool {
    let layer = self[index]
    guard layer.activation == .none, let x = layer.inputs.first, sameType(x, layer.output),
      shape(of: x) == shape(of: layer.output)
    else { return false }
    let shape = shape(of: x)
    switch layer.kind {
    case .dropout, .flatten, .reshape: return true
    case .concat: return layer.inputs.count == 1
    case .clip(let min, let max): return min == -.infinity && max == .infinity
    case .transpose(let perm): return perm == Array(perm.indices)
    case .slice(let slice): return slice.steps.indices.allSatisfy { slice.steps[$0] == 1 || slice.sizes[$0] == 1 }
    case .pad(let padding): return (padding.begins + padding.ends).allSatisfy { $0 == 0 }
    case .resize(let resize): return resize.scaleY == 1 && resize.scaleX == 1
    case .depthToSpace(let block, _), .spaceToDepth(let block): return block == 1
    case .maxPool(let window, _), .averagePool(let window, _, _): return window == Window(1)
    case .globalAveragePool, .globalMaxPool: return shape[2...].allSatisfy { $0 == 1 }
    case .reduce(_, let axes, let keepDims): return keepDims && axes.allSatisfy { shape[$0] == 1 }
    default: return false
    }
  }

  fileprivate mutating func removeNeutralOperand(_ index: Int) -> Bool {
    let layer = self[index]
    guard layer.activation == .none, case .binary(let function) = layer.kind,
      let operand = ConstantOperand(self, layer), let value = operand.scalar(self)
    else { return false }
    switch function {
    case .add: guard value == 0 else { return false }
    case .mul: guard value == 1 else { return false }
    case .sub: guard value == 0, !operand.isFirst else { return false }
    case .div: guard value == 1, !operand.isFirst else { return false }
    }
    self[index].inputs = [operand.x]
    let bypassed = bypass(index)
    if !bypassed { self[index] = layer }
    return bypassed
  }
}
