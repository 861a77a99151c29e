import Bundle
import CCNNRT
import Caller
import Training

@_cdecl("cnnrt_trainer_parameter_count") @implementation
public func cnnrt_trainer_parameter_count(_ handle: OpaquePointer?) -> UInt32 {
  handle.map { UInt32(trainer($0).pointee.parameterCount) } ?? 0
}

@_cdecl("cnnrt_trainer_get_parameter_info") @implementation
public func cnnrt_trainer_get_parameter_info(
  _ handle: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<cnnrt_parameter_info>?
) -> cnnrt_status {
  attempt(nil) { () throws(Failure) in
    let p = try parameter(handle, index)
    var out = cnnrt_parameter_info()
    out.name = p.name
    out.rank = UInt32(p.rank)
    out.trainable = p.trainable ? 1 : 0
    out.shape = (p.shape[0], p.shape[1], p.shape[2], p.shape[3], p.shape[4], p.shape[5])
    out.count = UInt64(p.count)
    guard writeStruct(out, to: info) else { throw invalid("info", "it is NULL, or its size is not set.") }
  }
}

@_cdecl("cnnrt_trainer_get_parameter") @implementation
public func cnnrt_trainer_get_parameter(
  _ handle: OpaquePointer?, _ index: UInt32, _ values: UnsafeMutablePointer<Float>?, _ count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    try checkCount(try parameter(handle, index), count)
    trainer(handle!).pointee.getValues(Int(index), try require(values, "values"))
  }
}

@_cdecl("cnnrt_trainer_set_parameter") @implementation
public func cnnrt_trainer_set_parameter(
  _ handle: OpaquePointer?, _ index: UInt32, _ values: UnsafePointer<Float>?, _ count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    try checkCount(try parameter(handle, index), count)
    trainer(handle!).pointee.setValues(Int(index), try require(values, "values"))
  }
}

@_cdecl("cnnrt_trainer_get_gradient") @implementation
public func cnnrt_trainer_get_gradient(
  _ handle: OpaquePointer?, _ index: UInt32, _ values: UnsafeMutablePointer<Float>?, _ count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let p = try parameter(handle, index)
    guard p.trainable else { throw invalid("index", "running statistics have no gradient.") }
    try checkCount(p, count)
    trainer(handle!).pointee.getGradient(Int(index), try require(values, "values"))
  }
}

@_cdecl("cnnrt_trainer_get_average") @implementation
public func cnnrt_trainer_get_average(
  _ handle: OpaquePointer?, _ index: UInt32, _ values: UnsafeMutablePointer<Float>?, _ count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    try checkCount(try parameter(handle, index), count)
    guard trainer(handle!).pointee.getAverage(Int(index), try require(values, "values")) else { throw noAverages() }
  }
}

func noAverages() -> Failure { invalid("trainer", "it keeps no averages. Set ema_decay in its options.") }

private func parameter(_ handle: OpaquePointer?, _ index: UInt32) throws(Failure) -> Parameter {
  let trainer = trainer(try require(handle, "trainer"))
  guard Int(index) < trainer.pointee.parameterCount else {
    throw invalid("index", "% is out of range; there are % parameters.", Int(index), trainer.pointee.parameterCount)
  }
  return trainer.pointee.parameter(Int(index))
}

private func checkCount(_ p: Parameter, _ count: UInt64) throws(Failure) {
  guard count == UInt64(p.count) else {
    throw invalid("count", "it is % and the parameter has % elements.", Int(clamping: count), p.count)
  }
}
