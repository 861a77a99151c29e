import Bundle
import CCNNRT
import Caller
import Training

@_cdecl("cnnrt_trainer_state_size") @implementation
public func cnnrt_trainer_state_size(_ handle: OpaquePointer?) -> UInt64 {
  handle.map { UInt64(trainer($0).pointee.stateSize) } ?? 0
}

@_cdecl("cnnrt_trainer_save_state") @implementation
public func cnnrt_trainer_save_state(
  _ handle: OpaquePointer?, _ bytes: UnsafeMutableRawPointer?, _ byte_count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let trainer = trainer(try require(handle, "trainer")), bytes = try require(bytes, "bytes")
    guard byte_count >= UInt64(trainer.pointee.stateSize) else {
      throw invalid(
        "byte_count", "it is % and the state has % bytes.", Int(clamping: byte_count), trainer.pointee.stateSize)
    }
    trainer.pointee.save(bytes)
  }
}

@_cdecl("cnnrt_trainer_load_state") @implementation
public func cnnrt_trainer_load_state(
  _ handle: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ byte_count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let trainer = trainer(try require(handle, "trainer"))
    try trainer.pointee.load(try require(bytes, "bytes"), Int(clamping: byte_count))
  }
}
