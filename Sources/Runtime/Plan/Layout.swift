import Bundle
import CBundle

/// How a tensor lies in a session's memory: cnn_view.
public enum Layout {
  /// Channels in blocks of 16. Of another rank than 4, the axes behind the third lie in one row.
  case blocks
  /// Channels side by side.
  case pixels
  /// Row-major, without gaps.
  case plain
}

/// What an operator's kernels ask of the layouts of its activations.
enum Need {
  /// All in blocks.
  case blocks
  /// The output in blocks, the input in blocks or, for its weights' order, in pixels.
  case convolution
  /// All plain.
  case plain
  /// Inputs like the output, whatever that is.
  case same
  /// The output like the input, whatever that is.
  case alike
  /// Nothing.
  case any
}

extension Model {
  func need(_ i: Int) -> Need {
    let o = operation(i)
    switch Int(o.kind) {
    case CNNB_OP_CONV: return groups(i) == 1 && !isDepthwise(i) ? .convolution : .blocks
    case CNNB_OP_GEMM, CNNB_OP_CONV_TRANSPOSE, CNNB_OP_BATCH_NORMALIZATION, CNNB_OP_MAX_POOL, CNNB_OP_AVERAGE_POOL,
      CNNB_OP_GLOBAL_AVERAGE_POOL, CNNB_OP_GLOBAL_MAX_POOL, CNNB_OP_PRELU, CNNB_OP_LRN, CNNB_OP_GROUP_NORMALIZATION,
      CNNB_OP_INSTANCE_NORMALIZATION:
      return .blocks
    case CNNB_OP_RESIZE: return Int(o.integers.0) == CNNB_RESIZE_LINEAR ? .blocks : .any
    case CNNB_OP_SOFTMAX: return tensor(output(i)).rank == 2 && tensor(output(i)).isFloat ? .blocks : .plain
    case CNNB_OP_MATMUL, CNNB_OP_LAYER_NORMALIZATION: return .plain
    // Five axes and the channels of a block are more than the kernel has.
    case CNNB_OP_ADD, CNNB_OP_SUB, CNNB_OP_MUL, CNNB_OP_DIV: return tensor(output(i)).rank == 6 ? .plain : .same
    case CNNB_OP_RELU, CNNB_OP_CLIP, CNNB_OP_LEAKY_RELU, CNNB_OP_ELU, CNNB_OP_SIGMOID, CNNB_OP_TANH, CNNB_OP_SWISH,
      CNNB_OP_HARD_SIGMOID, CNNB_OP_HARD_SWISH, CNNB_OP_GELU, CNNB_OP_ERF:
      return .same
    case CNNB_OP_QUANTIZE_LINEAR, CNNB_OP_DEQUANTIZE_LINEAR: return .alike
    default: return .any
    }
  }

  func hasShape(_ a: Int, of b: Int) -> Bool {
    let (s, t) = (tensor(a), tensor(b))
    guard s.rank == t.rank else { return false }
    for d in 0..<6 where s.dim(d) != t.dim(d) { return false }
    return true
  }

  /// Whether it is the result of an operator or an input, of which there is one for each image.
  func isActivation(_ t: Int?) -> Bool { t.map { !isConstant($0) } ?? false }
}

// MARK: - Choice

extension StoragePlan {
  /// Readers say what they want, and what only passes values on wants what its own readers want; then each operator's result lies
  /// as its kernel leaves it or, where that does not matter, as its readers want it.
  func chooseLayouts() {
    collectWishes()
    for k in 0..<model.inputCount {
      let t = model.networkInput(k)
      storage[t].layout = chosen(t, otherwise: .blocks)
    }
    choosePixels()
    for i in 0..<model.operatorCount { storage[model.output(i)].layout = layoutOfResult(i) }
  }

  private func collectWishes() {
    // set_image writes blocks or pixels.
    if model.recipe != nil { storage[model.networkInput(0)].wantsBlocks = true }
    for i in stride(from: model.operatorCount - 1, through: 0, by: -1) {
      let y = storage[model.output(i)]
      let need = model.need(i)
      for k in 0..<Int(model.operation(i).input_count) {
        guard let x = model.input(i, k), model.isActivation(x) else { continue }
        switch need {
        case .blocks, .convolution: storage[x].wantsBlocks = true
        case .plain: storage[x].wantsPlain = true
        case .same, .alike, .any:
          storage[x].wantsBlocks = storage[x].wantsBlocks || y.wantsBlocks
          storage[x].wantsPlain = storage[x].wantsPlain || y.wantsPlain
        }
      }
    }
  }

  private func chosen(_ t: Int, otherwise: Layout) -> Layout {
    let (s, rank) = (storage[t], model.tensor(t).rank)
    if rank == 1 || s.wantsPlain && !s.wantsBlocks { return .plain }
    if rank == 2 || rank == 4 { return s.wantsBlocks ? .blocks : otherwise }
    return s.wantsBlocks && !s.wantsPlain ? .blocks : .plain
  }

  private func layoutOfResult(_ i: Int) -> Layout {
    let y = model.output(i)
    switch model.need(i) {
    case .blocks, .convolution: return .blocks
    case .plain: return .plain
    case .same:
      for k in 0..<2 {
        guard let x = model.input(i, k), model.isActivation(x), model.hasShape(x, of: y) else { continue }
        return storage[x].layout
      }
      return chosen(y, otherwise: .blocks)
    case .alike: return storage[model.input(i, 0)!].layout
    case .any:
      let x = model.input(i, 0)!
      let isPlain = model.tensor(y).rank == 4 && storage[x].layout == .plain
      return chosen(y, otherwise: isPlain ? .plain : .blocks)
    }
  }

  /// An image of at most four channels that only convolutions, and what takes any layout, read lies in pixels; also where it is
  /// quantized before.
  private func choosePixels() {
    for k in 0..<model.inputCount {
      let t = model.networkInput(k)
      guard model.tensor(t).rank == 4, model.tensor(t).channels <= 4, storage[t].layout == .blocks else { continue }
      storage[t].layout = .pixels
    }
    for i in 0..<model.operatorCount where model.need(i) == .alike {
      storage[model.output(i)].layout = storage[model.input(i, 0)!].layout
    }
    for i in stride(from: model.operatorCount - 1, through: 0, by: -1) {
      switch model.need(i) {
      case .convolution, .any: continue
      case .alike where storage[model.output(i)].layout == .pixels: continue
      default: break
      }
      for k in 0..<Int(model.operation(i).input_count) {
        if let x = model.input(i, k), storage[x].layout == .pixels { storage[x].layout = .blocks }
      }
    }
  }

  // MARK: - Copies

  /// The layout that an operator needs an activation copied to; nil where it reads the tensor itself.
  func copyLayout(_ i: Int, _ operand: Int) -> Layout? {
    guard operand < 2, let x = model.input(i, operand), model.isActivation(x) else { return nil }
    let (own, rank) = (storage[x].layout, model.tensor(x).rank)
    var wanted = own
    switch model.need(i) {
    case .blocks: wanted = .blocks
    case .convolution:
      // A kernel that is one wide reads single pixels.
      let order = model.convOrder(i)
      if order.isPixels && order.kernelWidth > 1 { wanted = .pixels } else if own == .plain { wanted = .blocks }
    case .plain: wanted = .plain
    case .same:
      // A list of channels is plain either way, and what has no channels of its own too.
      let y = model.output(i)
      if rank > 2 { wanted = rank == model.tensor(y).rank ? storage[y].layout : .plain }
    case .alike, .any: break
    }
    return wanted == own || rank == 1 ? nil : wanted
  }

  /// Reshape from blocks to other blocks goes by a plain copy.
  func needsTemporary(_ i: Int) -> Bool {
    guard Int(model.operation(i).kind) == CNNB_OP_RESHAPE else { return false }
    let (x, y) = (model.input(i, 0)!, model.output(i))
    return !isLinear(x) && !isLinear(y) && !hasSameBytes(x, y)
  }

  /// Whether elements lie one after another in the order of their indices.
  func isLinear(_ t: Int) -> Bool { storage[t].layout == .plain || model.tensor(t).rank <= 2 }

  /// Whether two tensors of as many elements are the same bytes.
  func hasSameBytes(_ a: Int, _ b: Int) -> Bool {
    let (s, t) = (model.tensor(a), model.tensor(b))
    guard storage[a].layout == storage[b].layout else { return false }
    return storage[a].layout == .plain
      || s.channels == t.channels && s.height == t.height && storage[a].layout == .blocks
  }
}
