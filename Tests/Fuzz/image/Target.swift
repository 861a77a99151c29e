import CImages

/// Decodes whatever the bytes are: pixels or an error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  var pixels = images_pixels()
  var error = images_error()
  _ = images_decode(data, count, 1 << 20, &pixels, &error)
  images_free(&pixels)
  return 0
}
