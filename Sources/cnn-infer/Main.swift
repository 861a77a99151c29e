import CCNNRT

@_cdecl("cnn_infer_main")
public func main(_ argc: Int32, _ argv: UnsafePointer<UnsafePointer<CChar>>) -> Int32 { cnnrt_version() == 0 ? 1 : 0 }
