import CKernels
import CVector

/// The kernels of the instruction set that this module is compiled for, in groups: a wider instruction set replaces only
/// the groups that gain by it.
extension cnn_kernels {
  @inline(__always) mutating func setAll() {
    setFloatConvolution()
    setByteConvolutions()
    setByteDepthwise()
    setArithmetic()
    setMovement()
  }

  @inline(__always) mutating func setFloatConvolution() {
    isa = cv_isa()
    conv_f32 = { convF32(arguments($0), Share($1, $2)) }
    depthwise_f32 = { depthwiseF32(arguments($0), Share($1, $2)) }
    matmul_f32 = { matmulF32(arguments($0), Share($1, $2)) }
  }
  @inline(__always) mutating func setByteConvolutions() {
    isa = cv_isa()
    input_offset = cv_input_offset()
    conv_u8 = { convU8(arguments($0), Share($1, $2)) }
    conv_u8_f32 = { convU8F32(arguments($0), Share($1, $2)) }
  }
  @inline(__always) mutating func setByteDepthwise() {
    depthwise_u8 = { depthwiseU8(arguments($0), Share($1, $2)) }
    depthwise_u8_f32 = { depthwiseU8F32(arguments($0), Share($1, $2)) }
  }
  /// What calculates in more than 16 bytes at once.
  @inline(__always) mutating func setArithmetic() {
    max_pool_f32 = { maxPoolF32(arguments($0), Share($1, $2)) }
    average_pool_f32 = { averagePoolF32(arguments($0), Share($1, $2)) }
    average_pool_u8 = { averagePoolU8(arguments($0), Share($1, $2)) }
    add_f32 = { addF32(arguments($0), Share($1, $2)) }
    add_u8 = { addU8(arguments($0), Share($1, $2)) }
    affine_f32 = { affineF32(arguments($0), Share($1, $2)) }
    unary_f32 = { unaryF32(arguments($0), Share($1, $2)) }
    binary_u8 = { binaryU8(arguments($0), Share($1, $2)) }
    matmul_u8 = { matmulU8(arguments($0), Share($1, $2)) }
  }
  /// What does not, or is too seldom called.
  @inline(__always) mutating func setMovement() {
    max_pool_u8 = { maxPoolU8(arguments($0), Share($1, $2)) }
    clamp_u8 = { clampU8(arguments($0), Share($1, $2)) }
    flatten = { flattened(arguments($0), Share($1, $2)) }
    move = { moved(arguments($0), Share($1, $2)) }
    prelu_f32 = { preluF32(arguments($0), Share($1, $2)) }
    prelu_u8 = { preluU8(arguments($0), Share($1, $2)) }
    lrn_f32 = { lrnF32(arguments($0), Share($1, $2)) }
    lrn_u8 = { lrnU8(arguments($0), Share($1, $2)) }
    resize_f32 = { resizeF32(arguments($0), Share($1, $2)) }
    resize_u8 = { resizeU8(arguments($0), Share($1, $2)) }
    reduce_f32 = { reduceF32(arguments($0), Share($1, $2)) }
    reduce_u8 = { reduceU8(arguments($0), Share($1, $2)) }
    group_norm_f32 = { groupNormF32(arguments($0), Share($1, $2)) }
    group_norm_u8 = { groupNormU8(arguments($0), Share($1, $2)) }
    layer_norm_f32 = { layerNormF32(arguments($0), Share($1, $2)) }
    layer_norm_u8 = { layerNormU8(arguments($0), Share($1, $2)) }
    softmax_axis = { softmaxAxis(arguments($0), Share($1, $2)) }
    binary_f32 = { binaryF32(arguments($0), Share($1, $2)) }
    unary_u8 = { unaryU8(arguments($0), Share($1, $2)) }
    softmax = { softmaxed(arguments($0), Share($1, $2)) }
    import_plain = { importPlain(arguments($0), Share($1, $2)) }
    export_plain = { exportPlain(arguments($0), Share($1, $2)) }
    fill_halo = {
      let a: UnsafePointer<cnn_halo> = arguments($0)
      a.pointee.view.fillHalo(isFloat: a.pointee.is_float != 0, Share($1, $2))
    }
  }
}

@inline(__always) private func arguments<Arguments>(_ p: UnsafeRawPointer?) -> UnsafePointer<Arguments> {
  p.unsafelyUnwrapped.assumingMemoryBound(to: Arguments.self)
}
