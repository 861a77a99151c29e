import CKernels
import CVector

/// The naive kernels, one operator per file: they are the specification, and what the fast ones are compared with. Part 0
/// does all the work.
@_cdecl("cnn_kernels_reference")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  var k = cnn_kernels()
  k.isa = cv_reference_name()
  k.conv_f32 = { a, part, _ in if part == 0 { convF32(load(a)) } }
  k.conv_u8 = { a, part, _ in if part == 0 { convU8(load(a)) } }
  k.conv_u8_f32 = { a, part, _ in if part == 0 { convU8F32(load(a)) } }
  k.max_pool_f32 = { a, part, _ in if part == 0 { maxPoolF32(load(a)) } }
  k.max_pool_u8 = { a, part, _ in if part == 0 { maxPoolU8(load(a)) } }
  k.average_pool_f32 = { a, part, _ in if part == 0 { averagePoolF32(load(a)) } }
  k.average_pool_u8 = { a, part, _ in if part == 0 { averagePoolU8(load(a)) } }
  k.add_f32 = { a, part, _ in if part == 0 { addF32(load(a)) } }
  k.add_u8 = { a, part, _ in if part == 0 { addU8(load(a)) } }
  k.affine_f32 = { a, part, _ in if part == 0 { affineF32(load(a)) } }
  k.clamp_u8 = { a, part, _ in if part == 0 { clampU8(load(a)) } }
  k.flatten = { a, part, _ in if part == 0 { flatten(load(a)) } }
  k.softmax = { a, part, _ in if part == 0 { softmax(load(a)) } }
  k.import_plain = { a, part, _ in if part == 0 { importPlain(load(a)) } }
  k.export_plain = { a, part, _ in if part == 0 { exportPlain(load(a)) } }
  k.depthwise_f32 = { a, part, _ in if part == 0 { depthwiseF32(load(a)) } }
  k.depthwise_u8 = { a, part, _ in if part == 0 { depthwiseU8(load(a)) } }
  k.depthwise_u8_f32 = { a, part, _ in if part == 0 { depthwiseU8F32(load(a)) } }
  k.move = { a, part, _ in if part == 0 { move(load(a)) } }
  k.unary_f32 = { a, part, _ in if part == 0 { unaryF32(load(a)) } }
  k.unary_u8 = { a, part, _ in if part == 0 { unaryU8(load(a)) } }
  k.binary_f32 = { a, part, _ in if part == 0 { binaryF32(load(a)) } }
  k.binary_u8 = { a, part, _ in if part == 0 { binaryU8(load(a)) } }
  k.fill_halo = { a, part, _ in if part == 0 { fillHalo(load(a)) } }
  k.prelu_f32 = { a, part, _ in if part == 0 { preluF32(load(a)) } }
  k.prelu_u8 = { a, part, _ in if part == 0 { preluU8(load(a)) } }
  k.lrn_f32 = { a, part, _ in if part == 0 { lrnF32(load(a)) } }
  k.lrn_u8 = { a, part, _ in if part == 0 { lrnU8(load(a)) } }
  k.resize_f32 = { a, part, _ in if part == 0 { resizeF32(load(a)) } }
  k.resize_u8 = { a, part, _ in if part == 0 { resizeU8(load(a)) } }
  k.reduce_f32 = { a, part, _ in if part == 0 { reduceF32(load(a)) } }
  k.reduce_u8 = { a, part, _ in if part == 0 { reduceU8(load(a)) } }
  k.group_norm_f32 = { a, part, _ in if part == 0 { groupNormF32(load(a)) } }
  k.group_norm_u8 = { a, part, _ in if part == 0 { groupNormU8(load(a)) } }
  k.layer_norm_f32 = { a, part, _ in if part == 0 { layerNormF32(load(a)) } }
  k.layer_norm_u8 = { a, part, _ in if part == 0 { layerNormU8(load(a)) } }
  k.softmax_axis = { a, part, _ in if part == 0 { softmaxAxis(load(a)) } }
  k.matmul_f32 = { a, part, _ in if part == 0 { matmulF32(load(a)) } }
  k.matmul_u8 = { a, part, _ in if part == 0 { matmulU8(load(a)) } }
  out.pointee = k
}

func load<Arguments>(_ a: UnsafeRawPointer!) -> Arguments { a.load(as: Arguments.self) }

func fillHalo(_ a: cnn_halo) { a.view.fillHalo(bytes: a.is_float != 0 ? 4 : 1) }
