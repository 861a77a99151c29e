// swift-tools-version: 6.2
// A package of its own, as a program that uses CNNRT has it: it depends on the checkout of cnnrt by its path.
import PackageDescription

let package = Package(
  name: "SwiftClassifier",
  dependencies: [.package(name: "cnn", path: "../..")],
  targets: [
    .executableTarget(name: "classify", dependencies: [.product(name: "CNNRT", package: "cnn")])
  ])
