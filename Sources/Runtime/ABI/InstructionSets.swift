import Bundle
import CCNNRT
import Plan

@_cdecl("cnnrt_isa") @implementation
public func cnnrt_isa() -> UnsafePointer<CChar>! {
  do throws(Failure) { return try InstructionSet.choose(nil).name } catch { return nil }
}

@_cdecl("cnnrt_isa_available") @implementation
public func cnnrt_isa_available(_ index: UInt32) -> UnsafePointer<CChar>! {
  InstructionSet.available(Int(index))?.name
}
