import CBundle
import CNNModel
import CNNSupport

/// A stored bundle whose sections can be changed and put together again with right checksums, to see what the reader
/// says to bytes that are whole but wrong.
struct EditableBundle {
  var header: cnnb_header
  var table: [cnnb_section]
  /// Contents, in the order of the table.
  var contents: [[UInt8]]

  init(_ graph: Graph) throws {
    let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
    header = bytes.withUnsafeBytes { $0.loadUnaligned(as: cnnb_header.self) }
    let (offset, count) = (Int(header.table_offset), Int(header.section_count))
    table = bytes.withUnsafeBytes { file in
      (0..<count).map { file.loadUnaligned(fromByteOffset: offset + 64 * $0, as: cnnb_section.self) }
    }
    contents = table.map { Array(bytes[Int($0.offset)..<Int($0.offset + $0.stored_bytes)]) }
  }

  func index(_ kind: SectionKind) -> Int { table.firstIndex { $0.kind == kind.rawValue }! }

  /// Changes a struct in place: `index`-th of its type behind `offset` bytes of a section.
  mutating func edit<T: BitwiseCopyable>(
    _ kind: SectionKind, _: T.Type, _ index: Int, after offset: Int = 0, _ change: (inout T) -> Void
  ) {
    let place = offset + index * MemoryLayout<T>.size
    contents[self.index(kind)].withUnsafeMutableBytes { bytes in
      var value = bytes.loadUnaligned(fromByteOffset: place, as: T.self)
      change(&value)
      bytes.storeBytes(of: value, toByteOffset: place, as: T.self)
    }
  }

  mutating func editTensor(_ index: Int, _ change: (inout cnnb_tensor) -> Void) {
    edit(.graph, cnnb_tensor.self, index, after: 64, change)
  }

  mutating func editOperator(_ index: Int, _ change: (inout cnnb_operator) -> Void) {
    edit(.graph, cnnb_operator.self, index, after: 64 + 64 * tensorCount, change)
  }

  var tensorCount: Int {
    contents[index(.graph)].withUnsafeBytes { Int($0.loadUnaligned(as: cnnb_graph.self).tensor_count) }
  }

  /// The file, with places, sizes and checksums that fit the contents.
  /// - Parameter change: a last touch to the table, before its checksum.
  func bytes(_ change: (inout [cnnb_section], inout cnnb_header) -> Void = { _, _ in }) -> [UInt8] {
    var file = [UInt8](repeating: 0, count: 64)
    var table = table
    for index in table.indices {
      table[index].offset = UInt64(file.count)
      table[index].stored_bytes = UInt64(contents[index].count)
      table[index].raw_bytes = UInt64(contents[index].count)
      table[index].crc32 = Zlib.crc32(contents[index])
      file += contents[index]
      file += [UInt8](repeating: 0, count: -file.count & 63)
    }
    var header = header
    header.table_offset = UInt64(file.count)
    header.file_bytes = UInt64(file.count + 64 * table.count)
    change(&table, &header)
    func bytes<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
    let tableBytes = table.flatMap(bytes)
    header.section_count = UInt32(table.count)
    header.table_crc32 = Zlib.crc32(tableBytes)
    header.header_crc32 = Zlib.crc32(bytes(header).dropLast(4))
    file.replaceSubrange(0..<64, with: bytes(header))
    return file + tableBytes
  }
}
