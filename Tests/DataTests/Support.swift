import CNNData
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

/// SplitMix64 (Steele, Lea, Flood 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// A generator that always says the same.
struct Constant: RandomNumberGenerator {
  let value: UInt64
  func next() -> UInt64 { value }
}

func randomDataset(count: Int, channels: Int, height: Int, width: Int, seed: UInt64) throws -> Dataset {
  var generator = SplitMix(state: seed)
  return try Dataset(
    channels: channels, height: height, width: width, classNames: ["a", "b", "c"],
    labels: (0..<count).map { _ in Int32(generator.next() % 3) },
    pixels: generator.bytes(count * channels * height * width), origin: "random")
}
