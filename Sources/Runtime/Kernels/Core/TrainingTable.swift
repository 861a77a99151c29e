import CTrainingKernels

@inline(__always) func fillTrainingTable(_ out: UnsafeMutablePointer<cnn_training_kernels>) {
  out.pointee = cnn_training_kernels(
    conv_gradient: convGradient, batch_statistics: batchStatistics, batch_norm_reduce: batchNormReduce,
    batch_norm_apply: batchNormApply, max_pool_gradient: maxPoolGradient, average_pool_gradient: averagePoolGradient,
    mask: maskGradient, copy: copyGradient, add: addGradient, flatten_gradient: flattenGradient)
}
