import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<6, 3, 1>
typealias ByteTiles = Tiles<4, 2, 1>
typealias DepthwiseTilePixels = DepthwisePixels<4>
typealias MatMulRows = RegisterTile<6, 1>

@_cdecl("cnn_kernels_neon")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.setAll()
}

@_cdecl("cnn_training_kernels_neon")
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
  _ arguments: UnsafePointer<cnn_pool>!, _ part: Int32, _ parts: Int32, _ reduce: cnn_window_reduce!, _ is_float: Int32
) {
  poolWindows(arguments, Share(part, parts), reduce, isFloat: is_float != 0)
}
