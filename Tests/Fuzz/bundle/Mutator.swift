import CBundle

@_silgen_name("LLVMFuzzerMutate")
private func fuzzerMutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maxSize: Int) -> Int

/// libFuzzer's hook: mutates one place of the bundle, mostly inside a section, and mends the checksums.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maxSize: Int, _ seed: UInt32) -> Int {
  var random = Random(state: UInt64(seed))
  var count = size
  let bytes = UnsafeMutableRawBufferPointer(start: data, count: size)
  if random.next(8) == 0 {
    count = fuzzerMutate(data, size, maxSize)  // anything at all, the length too
  } else if let section = randomSection(bytes, &random), !section.isEmpty {
    if random.next(2) == 0 && section.count >= 4 {
      mutateField(bytes, section, &random)
    } else {
      _ = fuzzerMutate(data + section.lowerBound, section.count, section.count)
    }
  } else {
    count = fuzzerMutate(data, size, size)
  }
  if random.next(16) != 0 {
    Checksums(UnsafeMutableRawBufferPointer(start: data, count: count)).repair()
  }
  return count
}

/// The bytes of a section, of the section table or of the header.
private func randomSection(_ bytes: UnsafeMutableRawBufferPointer, _ random: inout Random) -> Range<Int>? {
  let headerBytes = MemoryLayout<cnnb_header>.size
  let sectionBytes = MemoryLayout<cnnb_section>.size
  guard bytes.count > headerBytes else { return nil }
  let header = bytes.loadUnaligned(as: cnnb_header.self)
  let table = Int(clamping: header.table_offset)
  let sections = Int(header.section_count)
  guard table <= bytes.count, sections > 0, sections <= (bytes.count - table) / sectionBytes else { return nil }
  let choice = random.next(8)
  if choice == 0 { return 0..<headerBytes }
  if choice == 1 { return table..<(table + sections * sectionBytes) }
  let entry = table + random.next(sections) * sectionBytes
  let section = bytes.loadUnaligned(fromByteOffset: entry, as: cnnb_section.self)
  guard section.offset <= UInt64(bytes.count), section.stored_bytes <= UInt64(bytes.count) - section.offset else {
    return nil
  }
  return Int(section.offset)..<Int(section.offset + section.stored_bytes)
}

/// Puts a number that borders on something into a 32-bit field, or another field's value: sizes and indices are such.
private func mutateField(_ bytes: UnsafeMutableRawBufferPointer, _ section: Range<Int>, _ random: inout Random) {
  func field() -> Int { section.lowerBound + random.next(section.count / 4) * 4 }
  let place = field()
  let old = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
  let new: UInt32 =
    switch random.next(12) {
    case 0: 0
    case 1: 1
    case 2: UInt32.max
    case 3: UInt32(Int32.max)
    case 4: 1 << 16
    case 5: 0x7F80_0000  // +infinity as a float
    case 6: old &+ 1
    case 7: old &- 1
    case 8: old &* 16
    case 9: UInt32(random.next(32))
    default: bytes.loadUnaligned(fromByteOffset: field(), as: UInt32.self)
    }
  bytes.storeBytes(of: new, toByteOffset: place, as: UInt32.self)
}

/// SplitMix64.
private struct Random {
  var state: UInt64

  mutating func next(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((value ^ (value >> 31)) % UInt64(bound))
  }
}
