import CTrainingKernels
import Plan

extension InstructionSet {
  /// Training has no naive kernels: its tests compare with a network of their own.
  public var trainingKernels: cnn_training_kernels {
    var table = cnn_training_kernels()
    switch self {
    #if arch(arm64)
      case .reference, .baseline, .neon, .neonDotprod: cnn_training_kernels_neon(&table)
    #else
      case .reference, .baseline: cnn_training_kernels_baseline(&table)
      case .avx2: cnn_training_kernels_avx2(&table)
      case .avx512, .avx512vnni: cnn_training_kernels_avx512(&table)
    #endif
    }
    return table
  }
}
