import CZlib

/// zlib streams (RFC 1950) and CRC-32 over whole arrays.
public enum Zlib {
  /// The stream at the highest level of compression.
  public static func deflate(_ bytes: [UInt8]) -> [UInt8] {
    let bound = compressBound(uLong(bytes.count))
    return [UInt8](unsafeUninitializedCapacity: Int(bound)) { buffer, count in
      var size = bound
      let status = compress2(buffer.baseAddress!, &size, bytes, uLong(bytes.count), Z_BEST_COMPRESSION)
      precondition(status == Z_OK, "zlib is out of memory")
      count = Int(size)
    }
  }

  /// Exactly `rawBytes` bytes from the whole of `stream`, or nil if the stream is damaged or holds more or fewer.
  public static func inflate(_ stream: ArraySlice<UInt8>, rawBytes: Int) -> [UInt8]? {
    // deflate cannot do better than 1032 : 1, so a small stream cannot make us allocate much.
    guard rawBytes >= 0, rawBytes / 1032 <= stream.count else { return nil }
    var whole = false
    // Room for one byte more shows that there is none; it also spares zlib's special case for no room at all.
    let bytes = [UInt8](unsafeUninitializedCapacity: rawBytes + 1) { buffer, count in
      stream.withUnsafeBufferPointer { stream in
        var size = uLong(rawBytes + 1)
        var read = uLong(stream.count)
        let status = uncompress2(buffer.baseAddress!, &size, stream.baseAddress, &read)
        whole = status == Z_OK && size == uLong(rawBytes) && read == uLong(stream.count)
        count = whole ? rawBytes : 0
      }
    }
    return whole ? bytes : nil
  }

  public static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(crc32_z(0, $0.baseAddress, $0.count)) }
  }

  public static func crc32(_ bytes: [UInt8]) -> UInt32 { crc32(bytes[...]) }
}
