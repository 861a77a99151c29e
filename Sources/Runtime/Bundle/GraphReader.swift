import CBundle
import CCNNRT

/// Where a section's arrays lie: their sizes are checked before anything in them is looked at.
extension Model {
  mutating func readQuantization(_ section: Section?) throws(Failure) {
    guard let section, let data = section.data else { return }
    let place: StaticString = "section QUANTIZATION"
    let headerBytes = MemoryLayout<cnnb_quantization_header>.size
    guard section.count >= headerBytes else {
      throw Failure.format("it is too short").at(place, offset: section.offset())
    }
    let header = data.assumingMemoryBound(to: cnnb_quantization_header.self).pointee
    quantizationCount = Int(header.entry_count)
    let scaleCount = Int(header.scale_count)
    let scaleStart = headerBytes + quantizationCount * MemoryLayout<cnnb_quantization>.size
    guard section.count == scaleStart + 4 * scaleCount, header.reserved.0 | header.reserved.1 == 0 else {
      throw Failure.format(
        "its size (%) is not what % entries and % scales need", section.count, quantizationCount, scaleCount
      )
      .at(place, offset: section.offset())
    }
    quantizations = (data + headerBytes).assumingMemoryBound(to: cnnb_quantization.self)
    scales = (data + scaleStart).assumingMemoryBound(to: Float.self)
    for i in 0..<quantizationCount {
      let q = quantizations![i]
      guard q.scale_count >= 1, Int(q.first_scale) + Int(q.scale_count) <= scaleCount, 0...255 ~= q.zero_point else {
        throw Failure.format("entry % has scales or a zero point out of range", i)
          .at(place, offset: section.offset(headerBytes + 16 * i))
      }
    }
    for i in 0..<scaleCount where !isScale(scales![i]) {
      throw Failure.format("scale % is not finite, positive and normal", i)
        .at(place, offset: section.offset(scaleStart + 4 * i))
    }
  }

  mutating func readGraph() throws(Failure) {
    let section = graphSection
    let data = section.data!
    guard section.count >= MemoryLayout<cnnb_graph>.size else { throw graphFailure(.format("it is too short")) }
    graph = data.assumingMemoryBound(to: cnnb_graph.self).pointee
    let limit = UInt32(Self.countLimit)
    guard graph.tensor_count <= limit, graph.operator_count <= limit, graph.input_count <= graph.tensor_count,
      graph.output_count <= graph.tensor_count
    else {
      throw graphFailure(
        .format("more than % tensors or operators, or more inputs or outputs than tensors", Int(limit)))
    }
    let operatorStart = 64 + tensorCount * MemoryLayout<cnnb_tensor>.size
    let inputStart = operatorStart + operatorCount * MemoryLayout<cnnb_operator>.size
    let outputStart = inputStart + 4 * inputCount
    let operandStart = outputStart + 4 * outputCount
    let stringStart = operandStart + 4 * Int(graph.operand_count)
    let stringBytes = Int(graph.string_bytes)
    guard section.count == stringStart + stringBytes else {
      throw graphFailure(
        .format("its size (%) is not what its counts need (%)", section.count, stringStart + stringBytes))
    }
    tensors = (data + 64).assumingMemoryBound(to: cnnb_tensor.self)
    operators = (data + operatorStart).assumingMemoryBound(to: cnnb_operator.self)
    inputs = (data + inputStart).assumingMemoryBound(to: UInt32.self)
    outputs = (data + outputStart).assumingMemoryBound(to: UInt32.self)
    operands = (data + operandStart).assumingMemoryBound(to: UInt32.self)
    strings = (data + stringStart).assumingMemoryBound(to: CChar.self)
    let r = graph.reserved
    guard r.0 | r.1 | r.2 | r.3 | r.4 | r.5 | r.6 | r.7 | r.8 | r.9 == 0 else {
      throw graphFailure(.format("a reserved field is not 0"))
    }
    guard stringBytes > 0, strings[0] == 0, strings[stringBytes - 1] == 0, isUTF8(strings, stringBytes) else {
      throw graphFailure(.format("the strings do not begin and end with a zero byte, or are not UTF-8"), stringStart)
    }
    guard inputCount > 0, outputCount > 0 else { throw graphFailure(.format("there is no input or no output")) }
  }

  func graphFailure(_ failure: Failure, _ position: Int = 0) -> Failure {
    failure.at("section GRAPH", offset: graphSection.offset(position))
  }
}

/// Finite, positive, normal: what a scale and every product of scales must be.
func isScale(_ x: Float) -> Bool { x.isNormal && x > 0 }
