import Bundle
import CBundle
import CCNNRT
import Caller
import Plan
import Run

@_cdecl("cnnrt_session_set_input") @implementation
public func cnnrt_session_set_input(
  _ handle: OpaquePointer?, _ index: UInt32, _ array: UnsafePointer<cnnrt_array>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let s = session(try require(handle, "session"))
    let tensor = try networkInput(s, index)
    let a = try read(array, s, tensor)
    importPlain(s, tensor, a.data, a.strides, isFloat: a.isFloat, batch: s.pointee.options.batch)
  }
}

@_cdecl("cnnrt_session_map_input") @implementation
public func cnnrt_session_map_input(
  _ handle: OpaquePointer?, _ index: UInt32, _ array: UnsafeMutablePointer<cnnrt_array>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let s = session(try require(handle, "session"))
    try map(s, try networkInput(s, index), array)
  }
}

@_cdecl("cnnrt_session_map_output") @implementation
public func cnnrt_session_map_output(
  _ handle: OpaquePointer?, _ index: UInt32, _ array: UnsafeMutablePointer<cnnrt_array>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let s = session(try require(handle, "session"))
    try map(s, try networkOutput(s, index), array)
  }
}

@_cdecl("cnnrt_session_set_image") @implementation
public func cnnrt_session_set_image(
  _ handle: OpaquePointer?, _ image: UnsafePointer<cnnrt_image>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  cnnrt_session_set_image_at(handle, 0, image, error)
}

@_cdecl("cnnrt_session_set_image_at") @implementation
public func cnnrt_session_set_image_at(
  _ handle: OpaquePointer?, _ batch_index: Int32, _ image: UnsafePointer<cnnrt_image>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let s = session(try require(handle, "session"))
    let n = try imageIndex(s, batch_index)
    var i = cnnrt_image()
    try readStruct(UnsafePointer(try require(image, "image")), into: &i, "image")
    _ = try require(i.pixels, "image.pixels")
    guard 1...65535 ~= i.width, 1...65535 ~= i.height, 1...4 ~= i.channels, i.reserved == 0 else {
      throw invalid("image", "its size must be 1 … 65535 on both sides, its channels 1 … 4, reserved 0.")
    }
    guard i.row_bytes.magnitude >= UInt64(i.width) * UInt64(i.channels) else {
      throw invalid(
        "image.row_bytes", "a row has % bytes and its pixels need %.", Int(i.row_bytes), Int(i.width) * Int(i.channels))
    }
    guard s.pointee.image != nil else {
      throw Failure(CNNRT_ERROR_STATE, "the bundle has no recipe for images. Use cnnrt_session_set_input.")
    }
    setImage(s, n, i)
  }
}

// MARK: - Arguments

func networkInput(_ s: UnsafeMutablePointer<Session>, _ index: UInt32) throws(Failure) -> Int {
  let model = s.pointee.network.pointee.model
  guard Int(index) < model.inputCount else { throw invalid("index", "the model has % inputs.", model.inputCount) }
  return model.networkInput(Int(index))
}

func networkOutput(_ s: UnsafeMutablePointer<Session>, _ index: UInt32) throws(Failure) -> Int {
  let model = s.pointee.network.pointee.model
  guard Int(index) < model.outputCount else { throw invalid("index", "the model has % outputs.", model.outputCount) }
  return model.networkOutput(Int(index))
}

func imageIndex(_ s: UnsafeMutablePointer<Session>, _ index: Int32) throws(Failure) -> Int {
  guard index >= 0, Int(index) < s.pointee.options.batch else {
    throw invalid("batch_index", "the session has a batch of %.", s.pointee.options.batch)
  }
  return Int(index)
}

/// A caller's array that must have the tensor's shape.
func read(
  _ array: UnsafePointer<cnnrt_array>?, _ s: UnsafeMutablePointer<Session>, _ tensor: Int
) throws(Failure) -> (data: UnsafeMutableRawPointer, strides: Strides, isFloat: Bool) {
  var a = cnnrt_array()
  try readStruct(try require(array, "array"), into: &a, "array")
  let data = try require(a.data, "array.data")
  let t = s.pointee.network.pointee.model.tensor(tensor)
  guard a.type == CNNRT_FLOAT32 || a.type == CNNRT_UINT8 && t.isUInt8 else {
    throw invalid(
      "array.type", "% does not go with the tensor. Use CNNRT_FLOAT32, or its own type.", Int(a.type.rawValue))
  }
  let isFloat = a.type == CNNRT_FLOAT32
  guard a.rank == t.rank else {
    throw invalid("array.rank", "it is % and the tensor's is %.", Int(a.rank), Int(t.rank))
  }
  let (shape, given) = (list(a.shape), list(a.strides))
  var strides = Strides(repeating: 0)
  var isGiven = false
  for axis in 0..<Int(t.rank) {
    guard shape[axis] == Int64(axis == 0 ? s.pointee.options.batch : t.dim(axis)) else {
      throw invalid(
        "array.shape", "it is not that of the tensor: a batch of %, % channels …", s.pointee.options.batch, t.channels)
    }
    strides[axis] = given[axis]
    isGiven = isGiven || given[axis] != 0
  }
  return (data, isGiven ? strides : plainStrides(t, elementBytes: isFloat ? 4 : 1), isFloat)
}

private typealias Six = (Int64, Int64, Int64, Int64, Int64, Int64)
private func list(_ x: Six) -> InlineArray<6, Int64> { [x.0, x.1, x.2, x.3, x.4, x.5] }
private func six(_ x: InlineArray<6, Int64>) -> Six { (x[0], x[1], x[2], x[3], x[4], x[5]) }

private func map(
  _ s: UnsafeMutablePointer<Session>, _ tensor: Int, _ array: UnsafeMutablePointer<cnnrt_array>?
) throws(Failure) {
  let array = try require(array, "array")
  let model = s.pointee.network.pointee.model
  let (t, v) = (model.tensor(tensor), s.pointee.view(tensor))
  var (shape, strides) = (Strides(repeating: 1), Strides(repeating: 0))
  (shape[0], strides[0]) = (Int64(v.batch), v.image)
  for axis in 1..<max(Int(t.rank), 1) {
    // Strides can say where a channel is only if it is the same way from each to the next.
    guard let step = s.pointee.step(tensor, axis: axis) else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "it is not kept in a plain order. Use cnnrt_session_set_input or _get_output."
      )
      .at("tensor", model.name(tensor))
    }
    (shape[axis], strides[axis]) = (Int64(t.dim(axis)), Int64(step))
  }
  var a = cnnrt_array()
  a.data = UnsafeMutableRawPointer(v.data)
  a.type = cnnrt_type(t.type)
  a.rank = t.rank
  (a.shape, a.strides) = (six(shape), six(strides))
  guard writeStruct(a, to: array) else { throw invalid("array", "its size is too small. Set it to sizeof the struct.") }
}
