import CKernels
import CVector

/// The naive kernels, one operator per file: they are the specification, and what the fast ones are compared with. Part 0
/// does all the work.
@_cdecl("cnn_kernels_reference")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee = cnn_kernels(
    isa: cv_reference_name(),
    input_offset: 0,
    conv_f32: { a, part, _ in if part == 0 { convF32(load(a)) } },
    conv_u8: { a, part, _ in if part == 0 { convU8(load(a)) } },
    conv_u8_f32: { a, part, _ in if part == 0 { convU8F32(load(a)) } },
    max_pool_f32: { a, part, _ in if part == 0 { maxPoolF32(load(a)) } },
    max_pool_u8: { a, part, _ in if part == 0 { maxPoolU8(load(a)) } },
    average_pool_f32: { a, part, _ in if part == 0 { averagePoolF32(load(a)) } },
    average_pool_u8: { a, part, _ in if part == 0 { averagePoolU8(load(a)) } },
    add_f32: { a, part, _ in if part == 0 { addF32(load(a)) } },
    add_u8: { a, part, _ in if part == 0 { addU8(load(a)) } },
    affine_f32: { a, part, _ in if part == 0 { affineF32(load(a)) } },
    clamp_u8: { a, part, _ in if part == 0 { clampU8(load(a)) } },
    flatten: { a, part, _ in if part == 0 { flatten(load(a)) } },
    softmax: { a, part, _ in if part == 0 { softmax(load(a)) } },
    import_plain: { a, part, _ in if part == 0 { importPlain(load(a)) } },
    export_plain: { a, part, _ in if part == 0 { exportPlain(load(a)) } })
}

func load<Arguments>(_ a: UnsafeRawPointer!) -> Arguments { a.load(as: Arguments.self) }
