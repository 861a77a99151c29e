import CTrainingKernels

@inline(__always) func fillTrainingTable(_ out: UnsafeMutablePointer<cnn_training_kernels>) {
  out.pointee = cnn_training_kernels(
    conv_gradient: convGradient, depthwise_weights: depthwiseWeights, depthwise_data: depthwiseData,
    unary_gradient: unaryGradient, batch_norm_statistics: batchNormStatistics, batch_norm_pool: batchNormPool,
    batch_norm_reduce: batchNormReduce, batch_norm_apply: batchNormApply)
}
