import CNNModel
import CNNRT
import Foundation
import Testing

struct ModelTests {
  static func bundle() throws -> (graph: Graph, bytes: [UInt8]) {
    let graph = try SessionTests.seed()
    return (graph, try BundleWriter().bytes(of: graph))
  }

  @Test func everyWayToOpenGivesTheSame() throws {
    let (graph, bytes) = try Self.bundle()
    let path = FileManager.default.temporaryDirectory.appending(path: "cnnrt-\(UUID().uuidString).cnn").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let file = try #require(FileHandle(forReadingAtPath: path))
    let byDescriptor = try Model(fileDescriptor: file.fileDescriptor)
    try file.close()
    let owned = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    defer { owned.deallocate() }
    owned.copyBytes(from: bytes)
    let models = [
      try Model(path: path), try Model(path: path, options: .init(verify: true, copy: true)), byDescriptor,
      try Model(bytes: bytes), try Model(unownedBytes: UnsafeRawBufferPointer(owned)),
    ]
    for model in models {
      #expect(model.inputs.map(\.shape) == [[1, 1, 28, 28]] && model.outputs.map(\.shape) == [[1, 10]])
      #expect(model.inputs.map(\.name) == graph.inputs && model.outputs.map(\.name) == graph.outputs)
      #expect(model.labels == graph.labels && model.label(9) == "class 9")
      #expect(model.label(10) == nil && model.label(-1) == nil && model.label(.max) == nil)
      #expect(model.layers.map(\.name) == graph.operators.map(\.name))
      #expect(model.information.fileBytes == bytes.count && !model.information.isQuantized)
      let recipe = try #require(model.recipe)
      #expect(recipe.width == 28 && recipe.channelOrder == .grey && recipe.mean == [0.25] && recipe.deviation == [0.5])
      try model.verify()
    }
    #expect(Set(models.map(\.information.isa)) == [try #require(Library.isa)])
  }

  @Test func errorsSayWhatAndWhere() throws {
    var (_, bytes) = try Self.bundle()
    #expect {
      try Model(path: "missing/model.cnn")
    } throws: {
      let error = $0 as? CNNRTError
      return error?.status == .io && error?.systemError == ENOENT && "\($0)".contains("missing/model.cnn")
    }
    #expect { try Model(fileDescriptor: -1) } throws: { ($0 as? CNNRTError)?.status == .io }
    #expect { try Model(bytes: []) } throws: { $0 is CNNRTError }
    #expect { try Model(bytes: bytes, options: .init(isa: "z80")) } throws: { "\($0)".contains("z80") }
    #expect { try Model(bytes: bytes, options: .init(maxMemory: 100)) } throws: {
      ($0 as? CNNRTError)?.status == .limit
    }
    #expect { try Model(bytes: bytes, options: .init(maxWork: 100)) } throws: { ($0 as? CNNRTError)?.status == .limit }
    bytes[bytes.count / 2] ^= 1
    #expect { try Model(bytes: bytes, options: .init(verify: true)) } throws: {
      ($0 as? CNNRTError)?.status == .format
    }
    #expect("\(CNNRTError.Status.outOfMemory)" == "out of memory" && "\(CNNRTError.Status.unknown)" == "unknown status")
  }

  @Test func theLibraryHasAVersion() {
    let numbers = Library.version.split(separator: ".").compactMap { Int($0) }
    #expect(numbers.count == 3 && numbers.reduce(0) { 100 * $0 + $1 } == Library.versionNumber)
    #expect(Library.availableISAs.contains("baseline") || Library.availableISAs.contains("neon"))
  }
}
