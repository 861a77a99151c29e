import CNNData
import CNNSupport
import Foundation
import Testing

/// A folder that goes away with its last reference.
final class TemporaryFolder {
  let path = FileManager.default.temporaryDirectory.appending(path: "cnn-data-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    // Data.write waits for the disk, which tests with hundreds of files need not.
    let stream = try #require(fopen(file, "wb"))
    defer { fclose(stream) }
    #expect(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
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

/// Files that were not written by us: Tests/Samples.
func sample(_ name: String) -> String {
  var root = URL(filePath: #filePath)
  for _ in 0..<3 { root.deleteLastPathComponent() }
  return root.appending(path: "Tests/Samples/\(name)").path
}

/// A PNG file of 8-bit grey or RGB pixels, [height, width, channels], not filtered.
func png(_ pixels: [UInt8], height: Int, width: Int, channels: Int) -> [UInt8] {
  func bytes(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(number >> (24 - 8 * $0) & 255) } }
  func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    let content = Array(type.utf8) + data
    return bytes(data.count) + content + bytes(Int(Zlib.crc32(content)))
  }
  let row = width * channels
  let rows = (0..<height).flatMap { [0] + pixels[$0 * row..<($0 + 1) * row] }
  return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    + chunk("IHDR", bytes(width) + bytes(height) + [8, channels == 1 ? 0 : 2, 0, 0, 0])
    + chunk("IDAT", Zlib.deflate(rows)) + chunk("IEND", [])
}

/// Tells whether any file in some folders was opened, by the kernel's own account (inotify).
final class OpenWatch {
  private let watch: Int32

  init(_ folders: [String]) {
    watch = inotify_init1(Int32(IN_NONBLOCK))
    for folder in folders {
      precondition(inotify_add_watch(watch, folder, UInt32(IN_OPEN) | UInt32(IN_ACCESS)) >= 0, "cannot watch \(folder)")
    }
  }

  deinit { close(watch) }

  /// Since the last time this was asked for.
  var sawOpening: Bool {
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 16, alignment: 8)
    defer { buffer.deallocate() }
    var saw = false
    while read(watch, buffer, 1 << 16) > 0 { saw = true }
    return saw
  }
}
