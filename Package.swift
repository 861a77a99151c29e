// swift-tools-version: 6.2
// The workstation's package: tools, Swift API, tests. The numeric code is in Sources/Runtime, a package of its own.
import PackageDescription

let runtime: [Target.Dependency] = ["CCNNRT", .product(name: "cnnrt", package: "Runtime")]
/// libcnnrt with the trainer: what learns links it instead.
let trainingRuntime: [Target.Dependency] = ["CCNNRT", .product(name: "cnnrt-train", package: "Runtime")]
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// For Tools/install: the tools find the library and the Swift runtime beside them, wherever the tree is moved.
let installed: [LinkerSetting] =
  Context.environment["CNNRT_SONAME"] == nil
  ? []
  : [
    .unsafeFlags([
      "-no-toolchain-stdlib-rpath", "-Xlinker", "-rpath=$ORIGIN/../lib", "-Xlinker", "-rpath=$ORIGIN/../lib/cnnrt",
    ])
  ]

/// A command-line tool: flags in, library call, report out.
func tool(_ name: String, _ dependencies: Target.Dependency..., library: [Target.Dependency] = runtime) -> Target {
  .executableTarget(
    name: name, dependencies: library + [arguments, "CNNSupport", "CNNRT", "CNNModel"] + dependencies,
    linkerSettings: installed)
}

func tests(_ name: String, _ dependencies: Target.Dependency..., exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: runtime + ["CNNSupport", "CNNRT", "CNNModel"] + dependencies, exclude: exclude)
}

let package = Package(
  name: "cnn",
  products: [
    // For programs that run bundles …
    .library(name: "CNNRT", targets: ["CNNRT", "LinkCNNRT"]),
    // … and for those that learn as well: it has all of CNNRT.
    .library(name: "CNNTraining", targets: ["CNNTraining", "LinkCNNRTTrain"]),
  ],
  dependencies: [
    .package(path: "Sources/Runtime"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    .systemLibrary(name: "CCNNRT", path: "Include"),
    .systemLibrary(name: "CZlib"),
    // What cnn-infer needs of libc, which Embedded Swift cannot import.
    .target(name: "CSystem"),
    // PNG and JPEG files to 8-bit pixels: C, because libpng and libjpeg report errors by longjmp.
    .target(
      name: "CImages", dependencies: ["CSystem"], linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),
    .target(name: "CNNSupport", dependencies: ["CZlib"]),
    // Which of the two libraries they speak to is decided by what links them, below for the products.
    .target(name: "CNNRT", dependencies: ["CCNNRT"]),
    .target(name: "CNNTraining", dependencies: ["CCNNRT", "CNNRT"]),
    .target(name: "LinkCNNRT", dependencies: [.product(name: "cnnrt", package: "Runtime")], path: "Sources/Link/CNNRT"),
    .target(
      name: "LinkCNNRTTrain", dependencies: [.product(name: "cnnrt-train", package: "Runtime")],
      path: "Sources/Link/CNNRTTrain"),
    .target(name: "CNNModel", dependencies: ["CCNNRT", "CZlib", "CNNSupport"]),
    .target(name: "CNNData", dependencies: ["CZlib", "CImages", "CNNSupport", "CNNRT", "CNNModel"]),
    .target(name: "CNNPasses", dependencies: ["CNNModel", "CNNSupport"]),
    .target(name: "CNNQuantize", dependencies: ["CNNRT", "CNNModel", "CNNPasses", "CNNData", "CNNSupport"]),
    .target(
      name: "CNNONNX",
      dependencies: [
        "CNNModel", "CNNPasses", "CNNSupport", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ], exclude: ["Proto/onnx.proto"]),
    tool("cnn-train", "CNNData", "CNNTraining", library: trainingRuntime),
    tool("cnn-export", "CNNData", "CNNPasses", "CNNQuantize", "CNNONNX"),
    tool("cnn-bench", "CNNQuantize"),
    tool("cnn-inspect", "CNNPasses", "CNNONNX"),
    // The board's tool: Embedded Swift too, so that it needs no Swift runtime.
    .executableTarget(
      name: "cnn-infer", dependencies: runtime + ["CImages", "CSystem"],
      swiftSettings: [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-parse-as-library", "-Osize"])],
      linkerSettings: [.unsafeFlags(["-enable-experimental-feature", "Embedded", "-Xlinker", "--gc-sections"])]
        + installed),
    .testTarget(name: "KernelTests", dependencies: [.product(name: "kernel-check", package: "Runtime")]),
    tests("RuntimeTests", exclude: ["Vectors"]),
    tests("TrainingTests", "CNNTraining", .product(name: "cnnrt-train", package: "Runtime"), exclude: ["Vectors"]),
    tests("ModelTests"),
    tests("SwiftAPITests", "CNNTraining", .product(name: "cnnrt-train", package: "Runtime")),
    tests("DataTests", "CNNData"),
    tests("QuantizeTests", "CNNPasses", "CNNQuantize", "CNNData"),
    tests("ONNXTests", "CNNPasses", "CNNQuantize", "CNNONNX"),
    tests("ToolTests", "CImages", "CNNPasses", "CNNQuantize"),
  ])
