// swift-tools-version: 6.2
// libcnnrt.so: Embedded Swift behind a C ABI. A package of its own, see ../../Documentation/ARCHITECTURE.md.
import PackageDescription

let here = Context.packageDirectory
// No module of the library allocates on the Swift heap: memory comes from the one arena that each function states. Embedded
// Swift does not unwind; with unwind tables for the C shims, LLVM would write them for everything beside them too.
let embedded: [SwiftSetting] = [
  .enableExperimentalFeature("Embedded"),
  .enableExperimentalFeature("Extern"),
  .unsafeFlags([
    "-wmo", "-Osize", "-no-allocations", "-Xfrontend", "-function-sections", "-I", "\(here)/../../Include", "-Xcc",
    "-ffp-contract=off", "-Xcc", "-fno-asynchronous-unwind-tables",
  ]),
]

/// Kernels rely on what Bundle has checked. They are compiled for size too, but for their inner loops (`@_optimize(speed)`):
/// also because what is not inlined there, the filling of an array of vectors, the linker would share between instruction
/// sets. No stack protector: what they keep on the stack is indexed by their own loops, not by what a file says.
let unchecked: [SwiftSetting] = [
  .unsafeFlags([
    "-Xfrontend", "-remove-runtime-asserts", "-enforce-exclusivity=unchecked", "-Xfrontend", "-disable-stack-protector",
  ])
]
/// The modules around the kernels are compiled when the library is linked, as one: SwiftPM has each source file compiled by
/// itself, and what two files have in common stays twice. So their objects are LLVM bitcode. (The compiler's merging of
/// functions leaves some without a name, which bitcode does not allow; the linker folds those that are the same.)
/// The overflows in a function share one trap.
let atLink: [SwiftSetting] = [
  .unsafeFlags(
    ["-emit-bc", "-disable-llvm-merge-functions-pass", "-mergeable-traps"].flatMap { ["-Xfrontend", $0] })
]

/// A module whose every instruction may use one instruction set. It compiles the sources of Kernels/Core itself (a
/// symbolic link), so that none of its symbols can stand in for another module's, and is reached only through the C
/// symbol that returns its table.
func kernels(_ isa: String, _ flags: String...) -> Target {
  .target(
    name: "Kernels\(isa)", dependencies: ["CVector", "CKernels", "CTrainingKernels"], path: "Kernels/\(isa)",
    swiftSettings: embedded + unchecked + [.unsafeFlags((["-Wno-psabi"] + flags).flatMap { ["-Xcc", $0] })],
    linkerSettings: isa == "Reference" ? [.linkedLibrary("m")] : [])
}

#if arch(arm64)
  let kernelTargets = [
    kernels("Baseline"), kernels("NEON"), kernels("NEONDotprod", "-march=armv8.2-a+dotprod"),
  ]
#else
  let kernelTargets = [
    kernels("Baseline"), kernels("AVX2", "-march=x86-64-v3"), kernels("AVX512", "-march=x86-64-v4"),
    kernels("AVX512VNNI", "-march=x86-64-v4", "-mavx512vnni"),
  ]
#endif

/// An installed library's soname. Not in an ordinary build: SwiftPM makes only libcnnrt.so, and the tools and tests that are
/// linked with it would look for libcnnrt.so.1. Tools/install sets the version and makes the links.
func soname(_ library: String) -> [String] {
  guard let version = Context.environment["CNNRT_SONAME"] else { return [] }
  return ["-Xlinker", "-soname", "-Xlinker", "\(library).so.\(version)"]
}

let package = Package(
  name: "Runtime",
  products: [
    .library(name: "cnnrt", type: .dynamic, targets: ["ABI"]),
    // The same with the trainer (cnnrt_train.h), for programs that learn: they link it instead.
    .library(name: "cnnrt-train", type: .dynamic, targets: ["ABI", "TrainingABI"]),
    // The same library with the naive kernels in it, as the instruction set "reference". For tests; never shipped.
    .library(name: "cnnrt-reference", type: .dynamic, targets: ["ABI", "KernelsReference"]),
    // Compares the kernels of one instruction set with the naive ones; needs libc and libm alone, so emulators run it.
    .executable(name: "kernel-check", targets: ["kernel-check"]),
  ],
  targets: [
    .target(name: "CPlatform", path: "C/CPlatform"),
    .target(name: "CVector", path: "C/CVector"),
    .target(name: "CKernels", path: "C/CKernels"),
    .target(name: "CTrainingKernels", dependencies: ["CKernels"], path: "C/CTrainingKernels"),
    kernels("Reference"),
    kernels("Portable512", "-DCV_PORTABLE"),
    .target(name: "CCheck", path: "C/CCheck"),
    .executableTarget(
      name: "kernel-check",
      dependencies: ["CCheck", "CKernels", "KernelsReference", "KernelsPortable512"]
        + kernelTargets.map { .byName(name: $0.name) },
      path: "KernelCheck",
      swiftSettings: [
        .enableExperimentalFeature("Embedded"),
        .unsafeFlags(["-wmo", "-O", "-parse-as-library", "-I", "\(here)/../../Include"]),
      ],
      linkerSettings: [.unsafeFlags(["-enable-experimental-feature", "Embedded"])]),
    .target(name: "Bundle", dependencies: ["CPlatform"], path: "Bundle", swiftSettings: embedded + atLink),
    .target(name: "Plan", dependencies: ["Bundle", "CKernels"], path: "Plan", swiftSettings: embedded + atLink),
    .target(name: "Run", dependencies: ["Plan"], path: "Run", swiftSettings: embedded + atLink),
    .target(
      name: "Training", dependencies: ["Plan", "Run", "CTrainingKernels", "CVector"], path: "Training",
      swiftSettings: embedded + atLink),
    .target(name: "Caller", dependencies: ["Plan"], path: "Caller", swiftSettings: embedded + atLink),
    .target(
      name: "TrainingABI", dependencies: ["Caller", "Training"], path: "TrainingABI",
      swiftSettings: embedded + atLink,
      linkerSettings: soname("libcnnrt-train").isEmpty ? [] : [.unsafeFlags(soname("libcnnrt-train"))]),
    .target(
      name: "ABI", dependencies: ["Caller", "Run"] + kernelTargets.map { .byName(name: $0.name) },
      path: "ABI", swiftSettings: embedded + atLink,
      linkerSettings: [
        .linkedLibrary("z"),
        .unsafeFlags(
          [
            // lld folds what came out the same for two instruction sets; gold does not, and keeps references to what it has
            // dropped (arc4random_buf, too new for boards).
            "-enable-experimental-feature", "Embedded", "-use-ld=lld", "-Xlinker", "--icf=all",
            "-Xlinker", "--version-script=\(here)/cnnrt.map", "-Xlinker", "--gc-sections",
            "-Xlinker", "-Bsymbolic", "-Xlinker", "-z", "-Xlinker", "defs",
            // Instructions that occur several times become functions.
            "-Xlinker", "-mllvm", "-Xlinker", "-enable-machine-outliner=always", "-Xlinker", "\(here)/discard.ld",
          ] + soname("libcnnrt")),
      ]),
  ] + kernelTargets)
