import CImages
import CZlib

/// Decodes whatever the bytes are: pixels or an error. A PNG once more with its checksums mended, so that what is behind them
/// is reached.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  decode(data, count)
  guard let data, count > 8, data[1] == UInt8(ascii: "P") else { return 0 }
  // Exactly as large as the bytes, so that reading past them is seen.
  let mended = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
  defer { mended.deallocate() }
  mended.update(from: data, count: count)
  mendChecksums(UnsafeMutableBufferPointer(start: mended, count: count))
  decode(mended, count)
  return 0
}

private func decode(_ data: UnsafePointer<UInt8>?, _ count: Int) {
  var pixels = images_pixels()
  var error = images_error()
  if images_decode(data, count, 1 << 20, &pixels, &error) == 0 {
    // Every byte is there, and the last one too.
    var sum = 0
    for index in 0..<(Int(pixels.width) * Int(pixels.height) * Int(pixels.channels)) {
      sum &+= Int(pixels.bytes[index])
    }
    precondition(sum >= 0 && pixels.channels >= 1 && pixels.channels <= 4)
  } else {
    precondition(pixels.bytes == nil && error.message.0 != 0)
  }
  images_free(&pixels)
}

/// Walks the chunks: length, type, data, CRC-32 of type and data.
private func mendChecksums(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
  var start = 8
  while bytes.count - start >= 12 {
    let length = number(bytes, at: start)
    guard length <= bytes.count - start - 12 else { return }
    let crc = UInt32(truncatingIfNeeded: crc32(0, bytes.baseAddress! + start + 4, uInt(length + 4)))
    for index in 0..<4 {
      bytes[start + 8 + length + index] = UInt8(truncatingIfNeeded: crc >> UInt32(24 - 8 * index))
    }
    start += 12 + length
  }
}

private func number(_ bytes: UnsafeMutableBufferPointer<UInt8>, at start: Int) -> Int {
  var value = 0
  for index in 0..<4 { value = value << 8 | Int(bytes[start + index]) }
  return value
}
