import CCNNRT
import CNNModel
import Testing

@Test func smoke() throws {
  var g = Graph()
  g.tensors["x"] = Tensor(shape: [1, 3, 8, 8])
  g.tensors["w"] = Tensor(.float32((0..<20 * 27).map { Float($0) }), shape: [20, 3, 3, 3])
  g.tensors["b"] = Tensor(.float32((0..<20).map { Float($0) }), shape: [20])
  g.tensors["y"] = Tensor(shape: [1, 20, 8, 8])
  g.operators = [
    Operator("conv1", .conv(Window(3, padding: 1)), inputs: ["x", "w", "b"], outputs: ["y"], activation: .relu)
  ]
  g.inputs = ["x"]
  g.outputs = ["y"]
  let model = try OpenModel(g)
  var layer = cnnrt_layer_info()
  layer.size = MemoryLayout<cnnrt_layer_info>.size
  layer.output.size = MemoryLayout<cnnrt_tensor_info>.size
  #expect(cnnrt_model_get_layer(model.handle, 0, &layer) == CNNRT_OK)
  #expect(String(cString: layer.op) == "Conv")
  #expect(layer.multiply_adds == 20 * 64 * 27)
  #expect(layer.output.shape.1 == 20)
  try check { cnnrt_model_verify(model.handle, $0) }
  #expect(throws: CallError.self) {
    do { _ = try OpenModel(try BundleWriter().bytes(of: g).dropLast(3) + []) } catch { print(error); throw error }
  }
}
