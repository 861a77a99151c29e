import CBundle
import CCNNRT
import CPlatform

/// A section of the file: its entry in the table and, once loaded, its decoded bytes.
struct Section {
  var entry = cnnb_section()
  var data: UnsafeRawPointer?
  var count: Int { Int(entry.raw_bytes) }
  /// Offset in the file of byte `position` of the decoded section, as well as that can be said of a deflated one.
  func offset(_ position: Int = 0) -> UInt64 {
    entry.offset + (entry.codec == UInt32(CNNB_CODEC_STORED) ? UInt64(position) : 0)
  }
}

func sectionName(_ kind: Int) -> StaticString {
  switch kind {
  case CNNB_SECTION_GRAPH: "section GRAPH"
  case CNNB_SECTION_WEIGHTS: "section WEIGHTS"
  case CNNB_SECTION_QUANTIZATION: "section QUANTIZATION"
  case CNNB_SECTION_RECIPE: "section RECIPE"
  case CNNB_SECTION_LABELS: "section LABELS"
  case CNNB_SECTION_METADATA: "section METADATA"
  case CNNB_SECTION_SELF_TEST: "section SELF_TEST"
  default: "section TRAINING"
  }
}

/// Header and section table, and the decoded sections in one block of memory.
struct Sections {
  static let lastKind = CNNB_SECTION_TRAINING
  private(set) var header = cnnb_header()
  /// By kind; one that the file has not is empty with kind 0.
  private var slots = InlineArray<9, Section>(repeating: Section())
  /// The block that holds what is not used in place.
  private(set) var memory: UnsafeMutableRawPointer?
  private(set) var memoryBytes = 0

  subscript(kind: Int) -> Section? { slots[kind].entry.kind == 0 ? nil : slots[kind] }

  // MARK: - Header and table

  mutating func readTable(_ file: UnsafeRawBufferPointer) throws(Failure) {
    guard file.count >= MemoryLayout<cnnb_header>.size, let start = file.baseAddress else {
      throw .format("% bytes are too few for a bundle's header of 64", file.count)
    }
    // A copy: what is checked must be what is used, and a mapping may change.
    memcpy(&header, start, MemoryLayout<cnnb_header>.size)
    let (m, e) = (header.magic, UInt8(0x89))
    guard (m.0, m.1, m.2, m.3) == (e, 0x43, 0x4E, 0x4E), (m.4, m.5, m.6, m.7) == (0x0D, 0x0A, 0x1A, 0x0A) else {
      throw Failure.format("not a bundle: the first bytes are not a bundle's").at("header", offset: 0)
    }
    guard header.version_major == UInt16(CNNB_VERSION_MAJOR) else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "the bundle has format version %.% and this library reads 1. Use a matching library.",
        Int(header.version_major), Int(header.version_minor)
      ).at("header", offset: 8)
    }
    let crc = withUnsafeBytes(of: &header) { cp_crc32(0, $0.baseAddress, 60) }
    guard crc == header.header_crc32 else { throw Failure.format("the checksum is wrong").at("header", offset: 60) }
    guard header.file_bytes == UInt64(file.count) else {
      throw Failure.format(
        "the file has % bytes and should have %", file.count, Int(clamping: header.file_bytes)
      ).at("header", offset: 16)
    }
    let r = header.reserved
    guard r.0 | r.1 | r.2 | r.3 | r.4 == 0, header.flags & ~(CNNB_FLAG_QUANTIZED | CNNB_FLAG_MIXED) == 0 else {
      throw Failure.format("a reserved field is not 0").at("header", offset: 12)
    }
    try readEntries(start, file.count)
  }

  private mutating func readEntries(_ start: UnsafeRawPointer, _ fileBytes: Int) throws(Failure) {
    let count = Int(header.section_count)
    guard count <= 64, header.table_offset % 64 == 0, header.table_offset >= 64,
      contains(fileBytes, header.table_offset, UInt64(count * 64))
    else {
      throw Failure.format("the section table (% sections) does not lie inside the file", count).at(
        "header", offset: 24)
    }
    var table = InlineArray<64, cnnb_section>(repeating: cnnb_section())
    memcpy(&table, start + Int(header.table_offset), count * 64)
    guard withUnsafeBytes(of: &table, { cp_crc32(0, $0.baseAddress, count * 64) }) == header.table_crc32 else {
      throw Failure.format("the checksum is wrong").at("section table", offset: header.table_offset)
    }
    for i in 0..<count {
      do throws(Failure) {
        try check(table[i], fileBytes)
        for j in 0..<i where overlap(table[i], table[j]) { throw Failure.format("sections % and % overlap", j, i) }
        try keep(table[i])
      } catch {
        throw error.at("section table", offset: header.table_offset + UInt64(i * 64))
      }
    }
  }

  private func check(_ s: cnnb_section, _ fileBytes: Int) throws(Failure) {
    let r = s.reserved
    guard r.0 | r.1 | r.2 | r.3 | r.4 | r.5 | (s.flags & ~CNNB_SECTION_REQUIRED) == 0, s.kind != 0 else {
      throw .format("a reserved field is not 0")
    }
    guard s.offset % UInt64(CNNB_ALIGNMENT) == 0, s.offset >= 64, contains(fileBytes, s.offset, s.stored_bytes) else {
      throw .format("section of kind % does not lie inside the file at a multiple of 64", Int(s.kind))
    }
    var table = s
    table.offset = header.table_offset
    table.stored_bytes = UInt64(header.section_count) * 64
    guard !overlap(s, table) else { throw .format("section of kind % overlaps the table", Int(s.kind)) }
  }

  private mutating func keep(_ s: cnnb_section) throws(Failure) {
    guard s.kind <= UInt32(Self.lastKind) else {
      guard s.flags & CNNB_SECTION_REQUIRED == 0 else {
        throw Failure(
          CNNRT_ERROR_UNSUPPORTED,
          "the bundle needs a section of kind % that this library does not know. Use a newer one.",
          Int(s.kind))
      }
      return
    }
    guard slots[Int(s.kind)].entry.kind == 0 else { throw .format("section of kind % is there twice", Int(s.kind)) }
    switch Int(s.codec) {
    case CNNB_CODEC_STORED:
      guard s.raw_bytes == s.stored_bytes else { throw .format("a stored section's two sizes differ") }
    case CNNB_CODEC_DEFLATE:
      // Deflate reaches 1032:1; more is a lie that must not cost memory.
      guard s.raw_bytes <= UInt64(Int.max), s.raw_bytes / 1032 <= s.stored_bytes else {
        throw .format("section of kind % cannot inflate to the size it states", Int(s.kind))
      }
    default:
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "codec % is not known. Use a newer library, or export without compression.",
        Int(s.codec))
    }
    slots[Int(s.kind)].entry = s
  }

  private func contains(_ fileBytes: Int, _ offset: UInt64, _ count: UInt64) -> Bool {
    offset <= UInt64(fileBytes) && count <= UInt64(fileBytes) - offset
  }

  private func overlap(_ a: cnnb_section, _ b: cnnb_section) -> Bool {
    a.offset < b.offset + b.stored_bytes && b.offset < a.offset + a.stored_bytes
  }

  // MARK: - Contents

  /// Decodes the sections into memory of their own, at most `limit` bytes; `extra` more bytes are taken for the caller and returned.
  mutating func load(
    _ file: UnsafeRawBufferPointer, limit: Int, extra: Int
  ) throws(Failure) -> UnsafeMutableRawPointer {
    var counter = Arena(nil)
    place(file, &counter)
    _ = counter.take(extra)
    memory = try allocateMemory(counter.used, limit: limit)
    memoryBytes = counter.used
    var arena = Arena(memory)
    place(file, &arena)
    for kind in 1..<Self.lastKind where slots[kind].entry.kind != 0 { try decode(file, kind) }
    return arena.take(extra)!
  }

  /// Gives each section its place: in the file where the weights can be used there, else in the arena.
  private mutating func place(_ file: UnsafeRawBufferPointer, _ arena: inout Arena) {
    for kind in 1..<Self.lastKind where slots[kind].entry.kind != 0 {
      let entry = slots[kind].entry
      let inFile = file.baseAddress! + Int(entry.offset)
      let inPlace =
        kind == CNNB_SECTION_WEIGHTS && entry.codec == UInt32(CNNB_CODEC_STORED) && UInt(bitPattern: inFile) % 64 == 0
      slots[kind].data = inPlace ? inFile : UnsafeRawPointer(arena.take(slots[kind].count))
    }
  }

  private func decode(_ file: UnsafeRawBufferPointer, _ kind: Int) throws(Failure) {
    let section = slots[kind]
    let stored = file.baseAddress! + Int(section.entry.offset)
    guard let data = section.data, data != stored else { return }
    let target = UnsafeMutableRawPointer(mutating: data)
    var crc: UInt32 = 0
    if section.entry.codec == UInt32(CNNB_CODEC_STORED) {
      target.copyMemory(from: stored, byteCount: section.count)
      crc = cp_crc32(0, target, section.count)
    } else {
      let code = cp_inflate(stored, Int(section.entry.stored_bytes), target, section.count, &crc)
      guard cp_is_out_of_memory(code) == 0 else {
        throw Failure(CNNRT_ERROR_OUT_OF_MEMORY, "no memory to inflate a section. Close other models or programs.")
      }
      guard code == 0 else { throw broken("the compressed data are damaged", kind) }
    }
    guard crc == section.entry.crc32 else { throw broken("the checksum is wrong", kind) }
  }

  private func broken(_ message: StaticString, _ kind: Int) -> Failure {
    Failure.format(message).at(sectionName(kind), offset: slots[kind].offset())
  }

  /// Checks the checksums again, also of what is only mapped.
  func verify(_ file: UnsafeRawBufferPointer) throws(Failure) {
    for kind in 1...Self.lastKind where slots[kind].entry.kind != 0 {
      let entry = slots[kind].entry
      let stored = file.baseAddress! + Int(entry.offset)
      var crc: UInt32 = 0
      if entry.codec == UInt32(CNNB_CODEC_STORED) {
        crc = cp_crc32(0, stored, slots[kind].count)
      } else {
        let code = cp_inflate(stored, Int(entry.stored_bytes), nil, slots[kind].count, &crc)
        guard code == 0 else { throw broken("the compressed data are damaged", kind) }
      }
      guard crc == entry.crc32 else { throw broken("the checksum is wrong", kind) }
    }
  }
}
