import CBundle

/// LABELS or METADATA: strings by number.
public struct StringList {
  public private(set) var count = 0
  private var offsets: UnsafePointer<UInt32>?
  private var bytes: UnsafePointer<CChar>?

  init() {}

  init(_ section: Section?, _ place: StaticString) throws(Failure) {
    guard let section, let data = section.data else { return }
    let headerBytes = MemoryLayout<cnnb_strings>.size
    guard section.count >= headerBytes else {
      throw Failure.format("it is too short").at(place, offset: section.offset())
    }
    let header = data.assumingMemoryBound(to: cnnb_strings.self).pointee
    let (entries, byteCount) = (Int(header.count), Int(header.byte_count))
    let start = headerBytes + 4 * entries
    guard section.count == start + byteCount, header.reserved.0 | header.reserved.1 == 0 else {
      throw Failure.format("its size (%) is not what % strings of % bytes need", section.count, entries, byteCount)
        .at(place, offset: section.offset())
    }
    count = entries
    offsets = (data + headerBytes).assumingMemoryBound(to: UInt32.self)
    bytes = (data + start).assumingMemoryBound(to: CChar.self)
    guard entries == 0 || byteCount > 0 && bytes![byteCount - 1] == 0 else {
      throw Failure.format("the last string has no end").at(place, offset: section.offset(section.count - 1))
    }
    for i in 0..<entries where Int(offsets![i]) >= byteCount {
      throw Failure.format("string % lies outside", i).at(place, offset: section.offset(headerBytes + 4 * i))
    }
    guard isUTF8(bytes!, byteCount) else {
      throw Failure.format("a string is not UTF-8").at(place, offset: section.offset(start))
    }
  }

  public subscript(i: Int) -> UnsafePointer<CChar> { bytes! + Int(offsets![i]) }
}

/// Whether the bytes are well-formed UTF-8 (Unicode 15, table 3-7).
func isUTF8(_ start: UnsafePointer<CChar>, _ count: Int) -> Bool {
  var following = 0
  var low: UInt8 = 0x80
  var high: UInt8 = 0xBF
  for i in 0..<count {
    let byte = UInt8(bitPattern: start[i])
    if following > 0 {
      guard low...high ~= byte else { return false }
      following -= 1
      (low, high) = (0x80, 0xBF)
    } else if byte >= 0x80 {
      guard 0xC2...0xF4 ~= byte else { return false }
      following = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3
      if byte == 0xE0 { low = 0xA0 }
      if byte == 0xED { high = 0x9F }
      if byte == 0xF0 { low = 0x90 }
      if byte == 0xF4 { high = 0x8F }
    }
  }
  return following == 0
}
