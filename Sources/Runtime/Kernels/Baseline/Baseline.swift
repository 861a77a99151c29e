import CKernels
import CTrainingKernels
import CVector

#if arch(arm64)
  // Every 64-bit Arm processor has NEON: its kernels, under the name that asks for nothing.
  @_cdecl("cnn_kernels_baseline")
  public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
    cnn_kernels_neon(out)
    out.pointee.isa = cv_baseline_name()
  }

  @_cdecl("cnn_training_kernels_baseline")
  public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) {
    cnn_training_kernels_neon(out)
  }

  typealias FloatTiles = Tiles<1, 1, 1>
  typealias ByteTiles = Tiles<1, 1, 1>
  typealias DepthwiseTilePixels = DepthwisePixels<1>
  typealias MatMulRows = RegisterTile<1, 1>
#else
  typealias FloatTiles = Tiles<2, 1, 1>
  typealias ByteTiles = Tiles<2, 1, 1>
  typealias DepthwiseTilePixels = DepthwisePixels<2>
  typealias MatMulRows = RegisterTile<2, 1>

  @_cdecl("cnn_kernels_baseline")
  public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
    out.pointee.setAll()
  }

  @_cdecl("cnn_training_kernels_baseline")
  public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) { fillTrainingTable(out) }

  @_cdecl("cnn_fill_halo") @implementation
  public func cnn_fill_halo(_ view: UnsafePointer<cnn_view>!, _ is_float: Int32, _ part: Int32, _ parts: Int32) {
    fillHalo(view, isFloat: is_float != 0, Share(part, parts))
  }

  @_cdecl("cnn_depthwise") @implementation
  public func cnn_depthwise(
    _ arguments: UnsafePointer<cnn_conv>!, _ part: Int32, _ parts: Int32, _ sum: cnn_depthwise_sum!,
    _ finish: cnn_depthwise_finish!, _ pixels: Int64, _ is_float: Int32
  ) {
    depthwiseRows(arguments, Share(part, parts), sum, finish, pixels: Int(pixels), isFloat: is_float != 0)
  }

  @_cdecl("cnn_pool_windows") @implementation
  public func cnn_pool_windows(
    _ arguments: UnsafePointer<cnn_pool>!, _ part: Int32, _ parts: Int32, _ reduce: cnn_window_reduce!,
    _ is_float: Int32
  ) {
    poolWindows(arguments, Share(part, parts), reduce, isFloat: is_float != 0)
  }
#endif
