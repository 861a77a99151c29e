extension ONNXPass {
  /// What the importer runs after `upgradeOpset`, in this order: first what is constant, then operators without a
  /// kernel as ones that have one, then what exporters take apart put together again.
  package static let all: [ONNXPass] = [
    .foldConstants, .removeUnused,
    .negToMul, .reciprocalToDiv, .powToMul, .sumToAdd, .maxMinToClip, .lpNormalization, .reductions, .seluToElu, .mish,
    .absToRelu,
    .removeNeutral, .hardSwish, .hardSigmoid, .gelu, .layerNormalization, .meanVarianceNormalization,
    .instanceOrGroupNorm,
    .foldConstants, .removeUnused,
  ]
}
