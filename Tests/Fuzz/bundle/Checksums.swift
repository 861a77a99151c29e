import CBundle
import CZlib

/// Makes every checksum of a damaged bundle right again, so that mutations reach what lies behind the checks.
struct Checksums {
  let bytes: UnsafeMutableRawBufferPointer
  private let inflated: UnsafeMutablePointer<UInt8>
  private static var maxInflated: Int { 1 << 20 }

  init(_ bytes: UnsafeMutableRawBufferPointer) {
    self.bytes = bytes
    inflated = .allocate(capacity: Self.maxInflated)
  }

  func repair() {
    defer { inflated.deallocate() }
    let headerBytes = MemoryLayout<cnnb_header>.size
    guard bytes.count >= headerBytes else { return }
    var header = bytes.loadUnaligned(as: cnnb_header.self)
    header.file_bytes = UInt64(bytes.count)
    let sectionBytes = MemoryLayout<cnnb_section>.size
    let room = bytes.count - Int(clamping: header.table_offset)
    if room >= 0, Int(header.section_count) <= room / sectionBytes {
      let table = Int(header.table_offset)
      for index in 0..<Int(header.section_count) { repairSection(at: table + index * sectionBytes) }
      header.table_crc32 = crc(table..<(table + Int(header.section_count) * sectionBytes))
    }
    bytes.storeBytes(of: header, as: cnnb_header.self)
    header.header_crc32 = crc(0..<(headerBytes - 4))
    bytes.storeBytes(of: header, as: cnnb_header.self)
  }

  private func repairSection(at entry: Int) {
    var section = bytes.loadUnaligned(fromByteOffset: entry, as: cnnb_section.self)
    guard section.offset <= UInt64(bytes.count), section.stored_bytes <= UInt64(bytes.count) - section.offset else {
      return
    }
    let stored = Int(section.offset)..<Int(section.offset + section.stored_bytes)
    if section.codec == UInt32(CNNB_CODEC_STORED) {
      section.raw_bytes = section.stored_bytes
      section.crc32 = crc(stored)
    } else {
      var count = uLong(Self.maxInflated)
      let source = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + stored.lowerBound
      guard uncompress(inflated, &count, source, uLong(stored.count)) == Z_OK else { return }
      section.raw_bytes = UInt64(count)
      section.crc32 = UInt32(crc32(0, inflated, uInt(count)))
    }
    bytes.storeBytes(of: section, toByteOffset: entry, as: cnnb_section.self)
  }

  private func crc(_ range: Range<Int>) -> UInt32 {
    let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + range.lowerBound
    return UInt32(crc32(0, start, uInt(range.count)))
  }
}
