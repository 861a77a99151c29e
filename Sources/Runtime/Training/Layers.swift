import Bundle
import CBundle
import CKernels
import Plan

// The list of the layers that can be trained: which operators they are, and who does what for them.

extension TrainingPlan {
  /// Reads an operator.
  mutating func addLayer(_ model: Model, _ i: Int) throws(Failure) {
    let kind = Int(model.operation(i).kind)
    switch kind {
    case CNNB_OP_CONCAT: return try addConcat(model, i)
    case CNNB_OP_ADD, CNNB_OP_SUB, CNNB_OP_MUL, CNNB_OP_DIV: return try addArithmetic(model, i)
    case CNNB_OP_SOFTMAX where model.output(i) == model.networkOutput(0):
      // The loss takes its place.
      logits = model.input(i, 0)!
      return
    default: break
    }
    guard let x = try operand(model, i, 0) else { throw .unsupported("a layer without an input cannot be trained") }
    func layer(_ kind: Layer.Kind) throws(Failure) -> Layer { try Layer(kind, model, i, x: x) }
    switch kind {
    case CNNB_OP_CONV: try addConvolution(model, layer(.convolution))
    case CNNB_OP_CONV_TRANSPOSE: try addTransposed(model, layer(.transposed))
    case CNNB_OP_GEMM: try addFullyConnected(model, layer(.convolution))
    case CNNB_OP_MATMUL: try addMatMul(model, layer(.matMul))
    case CNNB_OP_BATCH_NORMALIZATION: try addBatchNormalization(model, layer(.batchNormalization))
    case CNNB_OP_GROUP_NORMALIZATION, CNNB_OP_INSTANCE_NORMALIZATION:
      try addGroupNormalization(model, layer(.groupNormalization))
    case CNNB_OP_LAYER_NORMALIZATION: try addLayerNormalization(model, layer(.layerNormalization))
    case CNNB_OP_LRN: try append(layer(.localResponse))
    case CNNB_OP_RELU, CNNB_OP_CLIP: try addClamp(layer(.clamp))
    case CNNB_OP_LEAKY_RELU, CNNB_OP_ELU, CNNB_OP_SIGMOID, CNNB_OP_TANH, CNNB_OP_SWISH, CNNB_OP_HARD_SIGMOID,
      CNNB_OP_HARD_SWISH, CNNB_OP_GELU, CNNB_OP_ERF:
      try append(layer(.activation))
    case CNNB_OP_PRELU: try addPRelu(model, layer(.prelu))
    case CNNB_OP_DROPOUT: try append(layer(.dropout))
    case CNNB_OP_MAX_POOL: try addPool(layer(.maxPool))
    case CNNB_OP_AVERAGE_POOL: try addPool(layer(.averagePool))
    case CNNB_OP_GLOBAL_MAX_POOL: try addGlobalPool(layer(.maxPool))
    case CNNB_OP_GLOBAL_AVERAGE_POOL: try addGlobalPool(layer(.averagePool))
    case CNNB_OP_REDUCE_MEAN, CNNB_OP_REDUCE_SUM, CNNB_OP_REDUCE_MAX, CNNB_OP_REDUCE_MIN:
      try append(layer(.reduce))
    case CNNB_OP_SOFTMAX: try append(layer(.softmax))
    case CNNB_OP_FLATTEN, CNNB_OP_RESHAPE: try addReshape(model, layer(.move))
    case CNNB_OP_TRANSPOSE, CNNB_OP_SLICE, CNNB_OP_PAD, CNNB_OP_DEPTH_TO_SPACE, CNNB_OP_SPACE_TO_DEPTH:
      try append(layer(.move))
    case CNNB_OP_RESIZE:
      let isLinear = Int(model.operation(i).integers.0) == CNNB_RESIZE_LINEAR
      try append(layer(isLinear ? .resize : .move))
    default: throw .unsupported("operator number % cannot be trained", kind)
    }
  }

  /// The steps of a layer on the way forward …
  mutating func addForwardSteps(_ i: Int) {
    let layer = layers[i]
    switch layer.kind {
    case .convolution: convolutionForward(i)
    case .batchNormalization: batchNormalizationForward(i)
    default:
      let other = layer.x2 >= 0 ? value(layer.x2) : layer.scratch
      emit(.forward, i, source: value(layer.x), target: value(layer.y), other)
    }
  }

  /// … and back.
  mutating func addBackwardSteps(_ i: Int) {
    let layer = layers[i]
    switch layer.kind {
    case .convolution: convolutionBackward(i)
    case .depthwise: depthwiseBackward(i)
    case .grouped, .transposed: packedBackward(i)
    case .batchNormalization: batchNormalizationBackward(i)
    case .groupNormalization: groupNormalizationBackward(i)
    case .layerNormalization: layerNormalizationBackward(i)
    case .prelu: preluBackward(i)
    case .add: sumBackward(i)
    case .arithmetic: arithmeticBackward(i)
    case .matMul: matMulBackward(i)
    case .clamp, .softmax: emitGradient(i, uses: value(layer.y))
    case .activation, .maxPool, .reduce: emitGradient(i, uses: value(layer.x))
    case .localResponse: emitGradient(i, uses: value(layer.x), value(layer.y))
    case .averagePool, .dropout, .copy, .flatten, .concat, .resize: emitGradient(i)
    case .move: emitGradient(i, uses: layer.scratch >= 0 ? gradient(layer.scratch) : -1)
    }
  }

  /// The zeros around gradients that the way back reads.
  func shapeGradients(_ i: Int) {
    switch layers[i].kind {
    case .convolution, .depthwise: shapeConvolutionGradient(i)
    case .grouped, .transposed: shapePackedGradient(i)
    default: break
    }
  }

  /// Memory and tables, when the buffers have their places.
  mutating func place(_ i: Int, _ model: Model, _ arena: inout Arena) throws(Failure) {
    switch layers[i].kind {
    case .convolution: placeConvolution(i, &arena)
    case .depthwise: placeDepthwise(i, &arena)
    case .grouped, .transposed: placePacked(i, &arena)
    case .batchNormalization: placeBatchNormalization(i, &arena)
    case .groupNormalization:
      try prepare(i, model, &arena)
      takeSums(i, 4 * ((buffers[layers[i].x].shape.channels + 15) & ~15), &arena)
    case .localResponse:
      try prepare(i, model, &arena)
      takeSums(i, buffers[layers[i].x].shape.channels, &arena)
    case .arithmetic:
      try prepare(i, model, &arena)
      keepConstant(i, model, &arena)
    case .layerNormalization, .reduce, .softmax, .matMul, .move, .concat, .resize: try prepare(i, model, &arena)
    case .clamp, .activation, .prelu, .maxPool, .averagePool, .add, .copy, .flatten, .dropout: break
    }
  }
}

extension Layer {
  /// Whether its prepared calls have tables of distances in its inputs and output.
  var usesTables: Bool { kind == .move || kind == .concat || kind == .arithmetic || kind == .reduce }
}

extension Trainer {
  /// Once, when the parameters have their place.
  func bind(_ layer: Layer) {
    if layer.kind == .grouped || layer.kind == .transposed { bindPacked(layer) }
  }

  /// Once for each batch to learn from, before its first step.
  func begin(_ layer: Layer, share: Int) {
    switch layer.kind {
    case .convolution: turnWeights(layer, share: share)
    case .grouped, .transposed: turnPacked(layer, share: share)
    case .batchNormalization: clear(layer.norm, share: share)
    default: break
    }
  }

  func forward(_ layer: Layer, _ mode: Mode, _ images: Images) {
    switch layer.kind {
    case .convolution: convolution(layer, images)
    case .depthwise: depthwise(layer, images)
    case .grouped, .transposed: packed(layer, images)
    case .batchNormalization: normalise(layer, images)
    case .groupNormalization: groupNormalization(layer, images)
    case .layerNormalization: layerNormalization(layer, images)
    case .localResponse: localResponse(layer, images)
    case .clamp: clamp(layer, images)
    case .activation: activation(layer, images)
    case .prelu: prelu(layer, images)
    case .dropout: dropout(layer, learning: mode != .evaluate, images)
    case .maxPool: pool(kernels.max_pool_f32, layer, images)
    case .averagePool: pool(kernels.average_pool_f32, layer, images)
    case .reduce: reduce(layer, images)
    case .softmax: softmax(layer, images)
    case .add: add(layer, images)
    case .arithmetic: arithmetic(layer, images)
    case .matMul: matMul(layer, images)
    case .copy: copy(from: layer.x, to: layer.y, images)
    case .flatten: flatten(layer, images)
    case .move, .concat: move(layer, images)
    case .resize: resize(layer, images)
    }
  }

  func parameterGradient(_ layer: Layer, _ images: Images) {
    switch layer.kind {
    case .convolution: convolutionWeights(layer, images)
    case .depthwise: depthwiseWeights(layer, images)
    case .grouped, .transposed: packedWeights(layer, images)
    case .batchNormalization: reduceNorm(layer, images)
    case .groupNormalization: groupNormalizationParameters(layer, images)
    case .layerNormalization: layerNormalizationParameters(layer, images)
    case .prelu: preluSlope(layer, images)
    case .matMul: matMulWeights(layer, images)
    default: break
    }
  }

  /// Writes `step.target`, the gradient of one of the layer's inputs.
  func inputGradient(_ layer: Layer, _ step: Step, _ images: Images) {
    let target = step.target
    switch layer.kind {
    case .convolution: convolutionData(layer, target: target, images)
    case .depthwise: depthwiseData(layer, target: target, images)
    case .grouped, .transposed: packedData(layer, target: target, images)
    case .batchNormalization: applyNorm(layer, target: target, images)
    case .groupNormalization: groupNormalizationGradient(layer, target: target, images)
    case .layerNormalization: layerNormalizationGradient(layer, target: target, images)
    case .localResponse: localResponseGradient(layer, target: target, images)
    case .clamp: mask(step, layer, images)
    case .activation: activationGradient(layer, target: target, images)
    case .prelu: preluGradient(layer, target: target, images)
    case .dropout: dropoutGradient(layer, target: target, images)
    case .maxPool: maxPoolGradient(layer, target: target, images)
    case .averagePool: averagePoolGradient(layer, target: target, images)
    case .reduce: reduceGradient(layer, target: target, images)
    case .softmax: softmaxGradient(layer, target: target, images)
    case .arithmetic: arithmeticGradient(layer, step, images)
    case .matMul: matMulGradient(layer, step, images)
    case .copy: copy(from: plan.gradient(layer.y), to: target, images)
    case .flatten: flattenGradient(layer, target: target, images)
    case .move, .concat: moveGradient(layer, target: target, images)
    case .resize: resizeGradient(layer, target: target, images)
    case .add: break
    }
  }
}
