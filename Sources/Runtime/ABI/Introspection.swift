import Bundle
import CBundle
import CCNNRT
import Caller
import CPlatform
import Plan

@_cdecl("cnnrt_model_get_info") @implementation
public func cnnrt_model_get_info(_ model: OpaquePointer?, _ info: UnsafeMutablePointer<cnnrt_model_info>?)
  -> cnnrt_status
{
  fill(model, info, cnnrt_model_info()) { n, i in
    let m = n.model
    i.input_count = UInt32(m.inputCount)
    i.output_count = UInt32(m.outputCount)
    i.layer_count = UInt32(m.operatorCount)
    i.label_count = UInt32(m.labels.count)
    i.metadata_count = UInt32(m.metadata.count / 2)
    i.quantized = m.isQuantized ? 1 : 0
    i.mixed = m.isMixed ? 1 : 0
    i.has_recipe = m.recipe == nil ? 0 : 1
    i.has_self_test = m.selfTest == nil ? 0 : 1
    i.file_bytes = UInt64(m.source.bytes.count)
    i.weight_bytes = UInt64(m.weightBytes)
    i.memory_bytes = UInt64(n.memoryBytes)
    i.mapped_bytes = UInt64(m.source.mappedBytes)
    i.isa = n.isa.name
    return CNNRT_OK
  }
}

@_cdecl("cnnrt_model_get_input") @implementation
public func cnnrt_model_get_input(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<cnnrt_tensor_info>?
) -> cnnrt_status {
  fill(model, info, cnnrt_tensor_info()) { n, i in
    guard Int(index) < n.model.inputCount else { return CNNRT_ERROR_INVALID_ARGUMENT }
    i = tensorInfo(n.model, n.model.networkInput(Int(index)))
    return CNNRT_OK
  }
}

@_cdecl("cnnrt_model_get_output") @implementation
public func cnnrt_model_get_output(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<cnnrt_tensor_info>?
) -> cnnrt_status {
  fill(model, info, cnnrt_tensor_info()) { n, i in
    guard Int(index) < n.model.outputCount else { return CNNRT_ERROR_INVALID_ARGUMENT }
    i = tensorInfo(n.model, n.model.networkOutput(Int(index)))
    return CNNRT_OK
  }
}

@_cdecl("cnnrt_model_get_layer") @implementation
public func cnnrt_model_get_layer(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<cnnrt_layer_info>?
) -> cnnrt_status {
  // The inner struct has a size of its own, which says how much of it the caller knows.
  var caller = cnnrt_layer_info()
  guard let info else { return CNNRT_ERROR_INVALID_ARGUMENT }
  memcpy(&caller, info, min(info.pointee.size, MemoryLayout<cnnrt_layer_info>.size))
  return fill(model, info, cnnrt_layer_info()) { n, i in
    let (m, layer) = (n.model, Int(index))
    guard layer < m.operatorCount else { return CNNRT_ERROR_INVALID_ARGUMENT }
    i.name = m.layerName(layer)
    i.op = operatorName(Int(m.operation(layer).kind))
    i.multiply_adds = UInt64(m.multiplyAdds(layer))
    for k in 0..<Int(m.operation(layer).input_count) {
      guard let t = m.input(layer, k), m.isConstant(t) else { continue }
      i.weight_bytes += m.tensor(t).data_bytes
    }
    i.output = caller.output
    withUnsafeMutablePointer(to: &i.output) { _ = writeStruct(tensorInfo(m, m.output(layer)), to: $0) }
    return CNNRT_OK
  }
}

@_cdecl("cnnrt_model_label") @implementation
public func cnnrt_model_label(_ model: OpaquePointer?, _ index: UInt32) -> UnsafePointer<CChar>! {
  guard let model, Int(index) < network(model).pointee.model.labels.count else { return nil }
  return network(model).pointee.model.labels[Int(index)]
}

@_cdecl("cnnrt_model_metadata") @implementation
public func cnnrt_model_metadata(_ model: OpaquePointer?, _ key: UnsafePointer<CChar>?) -> UnsafePointer<CChar>! {
  guard let model, let key else { return nil }
  let metadata = network(model).pointee.model.metadata
  for i in 0..<metadata.count / 2 where strcmp(metadata[2 * i], key) == 0 { return metadata[2 * i + 1] }
  return nil
}

@_cdecl("cnnrt_model_metadata_key") @implementation
public func cnnrt_model_metadata_key(_ model: OpaquePointer?, _ index: UInt32) -> UnsafePointer<CChar>! {
  guard let model, Int(index) < network(model).pointee.model.metadata.count / 2 else { return nil }
  return network(model).pointee.model.metadata[2 * Int(index)]
}

@_cdecl("cnnrt_model_get_recipe") @implementation
public func cnnrt_model_get_recipe(_ model: OpaquePointer?, _ recipe: UnsafeMutablePointer<cnnrt_recipe>?)
  -> cnnrt_status
{
  fill(model, recipe, cnnrt_recipe()) { n, out in
    guard let r = n.model.recipe else { return CNNRT_ERROR_STATE }
    out.width = r.width
    out.height = r.height
    out.channels = r.channels
    out.channel_order = r.channel_order
    out.resize = r.resize
    out.resize_shorter = r.resize_shorter
    out.fill = r.fill
    out.mean = r.mean
    out.deviation = r.deviation
    return CNNRT_OK
  }
}

/// Checks the pointers, lets `body` make the value and gives it to the caller.
private func fill<T: BitwiseCopyable>(
  _ model: OpaquePointer?, _ out: UnsafeMutablePointer<T>?, _ zero: T,
  _ body: (borrowing Network, inout T) -> cnnrt_status
) -> cnnrt_status {
  guard let model, let out else { return CNNRT_ERROR_INVALID_ARGUMENT }
  var value = zero
  let status = body(network(model).pointee, &value)
  guard status == CNNRT_OK else { return status }
  return writeStruct(value, to: out) ? CNNRT_OK : CNNRT_ERROR_INVALID_ARGUMENT
}

private func tensorInfo(_ m: borrowing Model, _ t: Int) -> cnnrt_tensor_info {
  let tensor = m.tensor(t)
  var i = cnnrt_tensor_info()
  i.name = m.name(t)
  i.type = cnnrt_type(tensor.type)
  i.rank = tensor.rank
  let d = tensor.dims
  i.shape = (Int64(d.0), Int64(d.1), Int64(d.2), Int64(d.3), Int64(d.4), Int64(d.5))
  i.scale = m.scale(t)
  i.zero_point = m.zeroPoint(t)
  return i
}

/// ONNX's names by their kind's number, each ended by a zero byte.
private func operatorName(_ kind: Int) -> UnsafePointer<CChar> {
  var name = cString(
    """
    Conv\0Gemm\0BatchNormalization\0Relu\0MaxPool\0AveragePool\0GlobalAveragePool\0GlobalMaxPool\0Add\0Flatten\0Softmax\0\
    Clip\0LeakyRelu\0Elu\0Sigmoid\0Tanh\0Swish\0HardSigmoid\0HardSwish\0Gelu\0PRelu\0Sub\0Mul\0Div\0LRN\0ConvTranspose\0\
    Concat\0Slice\0Pad\0Reshape\0Transpose\0Resize\0DepthToSpace\0SpaceToDepth\0ReduceMean\0ReduceSum\0ReduceMax\0\
    ReduceMin\0LayerNormalization\0GroupNormalization\0InstanceNormalization\0MatMul\0Dropout\0\
    QuantizeLinear\0DequantizeLinear\0Erf\0
    """)
  for _ in 1..<kind {
    while name.pointee != 0 { name += 1 }
    name += 1
  }
  return name
}
