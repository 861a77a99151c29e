import CNNData
import CNNSupport
import Foundation

/// A folder that goes away with its last reference.
final class TemporaryFolder {
  let path = FileManager.default.temporaryDirectory.appending(path: "cnn-data-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(filePath: file))
    return file
  }
}

/// The bytes of an IDX file of unsigned bytes.
func idx(_ shape: [Int], _ elements: [UInt8]) -> [UInt8] {
  [0, 0, 8, UInt8(shape.count)] + shape.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 255) } }
    + elements
}

/// What the gzip program makes of bytes.
func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
  let folder = try TemporaryFolder()
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = ["gzip", "--no-name", try folder.write("bytes", bytes)]
  try process.run()
  process.waitUntilExit()
  return try [UInt8](Data(contentsOf: URL(filePath: "\(folder.path)/bytes.gz")))
}

extension Random {
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

func randomDataset(count: Int, channels: Int, height: Int, width: Int, seed: UInt64) throws -> Dataset {
  var random = Random(seed: seed)
  return try Dataset(
    channels: channels, height: height, width: width, classNames: ["a", "b", "c"],
    labels: (0..<count).map { _ in Int32(random.next() % 3) },
    pixels: random.bytes(count * channels * height * width), origin: "random")
}

extension Dataset {
  /// Of all images.
  var pixels: [UInt8] { get throws { try (0..<count).flatMap { try withImage($0) { Array($0) } } } }
}
