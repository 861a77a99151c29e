import CCheck
import CKernels

/// kernel-check ISA SEED CASES: compares the kernels of one instruction set with the naive reference, CASES random cases
/// for each operator. Prints a line per operator, with a digest of the results that is the same on every processor (but for
/// conv_f32, whose results differ by rounding); stops with status 1 at the first difference, 2 if it cannot run.
@_cdecl("kernel_check_main")
public func main(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
  guard count == 4, let isa = arguments[1], let seed = arguments[2], let cases = arguments[3] else {
    check_stop("usage: kernel-check ISA SEED CASES", "", 2)
    return 2
  }
  var kernels = cnn_kernels()
  if !fillTable(isa, &kernels) { check_stop("no such instruction set here: ", isa, 2) }
  if check_processor_has(isa) == 0 { check_stop("this processor lacks ", isa, 2) }
  if strcmp(isa, kernels.isa) != 0 { check_stop("the table has another name: ", kernels.isa, 1) }
  var check = Check(kernels, seed: UInt64(strtoull(seed, nil, 10)), cases: Int(atoi(cases)))
  check.everything()
  return 0
}

private func fillTable(_ isa: UnsafePointer<CChar>, _ kernels: inout cnn_kernels) -> Bool {
  if strcmp(isa, "baseline") == 0 { cnn_kernels_baseline(&kernels) }
  #if arch(arm64)
    if strcmp(isa, "neon") == 0 { cnn_kernels_neon(&kernels) }
    if strcmp(isa, "neon-dotprod") == 0 { cnn_kernels_neon_dotprod(&kernels) }
  #else
    if strcmp(isa, "avx2") == 0 { cnn_kernels_avx2(&kernels) }
    if strcmp(isa, "avx512") == 0 { cnn_kernels_avx512(&kernels) }
    if strcmp(isa, "avx512vnni") == 0 { cnn_kernels_avx512vnni(&kernels) }
  #endif
  if strcmp(isa, "portable512") == 0 { cnn_kernels_portable512(&kernels) }
  return kernels.conv_f32 != nil
}
