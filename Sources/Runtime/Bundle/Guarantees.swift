import CBundle
import CCNNRT

/// What holds of every `Model`, and the planner and the unchecked kernels rely on. This file, OperatorCheck.swift and the families'
/// checks make sure of it.
///
/// 1.  At most `countLimit` tensors and operators; every index in `inputs`, `outputs` and the operators' operands is a tensor's
///     (or CNNB_NONE where an operand is optional). Names and strings end inside their block.
/// 2.  Each dimension is 1 … 2³¹ − 1 and so is their product. Activations are float32 or uint8, of rank 1 … 6, the first
///     dimension 1; unused dims are 1. Images that windows go over have sides of at most 65535.
/// 3.  A uint8 activation has exactly one scale, and a zero point 0 … 255; a float32 one has none.
/// 4.  Constants lie inside WEIGHTS at multiples of 64, and have exactly the bytes that shape, type and layout need.
/// 5.  Each activation is written once, by an operator or as a network input, before it is read. Constants are not written.
/// 6.  An operator's operands have the types, ranks and shapes of FORMAT.md's table, its attributes are in range; its output's
///     shape is what it makes of its inputs. Kernel, stride and dilation are 1 … 65535, paddings at most 65535; a transposed
///     convolution reaches at most 65535 outside its input. Groups divide the channels. Each window of a pool meets the image.
/// 7.  int8 weights have one scale per output channel, zero point 0; (sx · sw) / sy, or sx · sw for a float32 result, is finite, positive and
///     normal, and so are all products and quotients of scales that other operators multiply with (ARITHMETIC.md).
/// 8.  What moves or selects uint8 values has one quantization for input and output.
/// 9.  The work of all operators together is at most the limit.
/// 10. The recipe fits input 0, and the self-test has exactly the bytes of the inputs and outputs.
///
/// Weight values are not looked at: any bytes give some result (int32 sums wrap, floats may be NaN or infinite). Only the lists of
/// Slice and Pad are, and copied before: WEIGHTS may be mapped, and change.
extension Model {
  static var countLimit: Int { 16384 }
  static var sideLimit: Int { 65535 }

  mutating func checkTensors() throws(Failure) {
    for i in 0..<tensorCount {
      producers[i] = CNNB_NONE
      do throws(Failure) { try checkTensor(i) } catch { throw tensorFailure(error, i) }
    }
    for i in 0..<inputCount {
      let t = inputs[i]
      guard t < graph.tensor_count, !isConstant(Int(t)), producers[Int(t)] == CNNB_NONE else {
        throw graphFailure(.format("network input % is not a tensor, a constant, or there twice", i))
      }
      producers[Int(t)] = graph.operator_count
    }
  }

  func tensorFailure(_ failure: Failure, _ i: Int) -> Failure {
    let valid = tensors[i].name < graph.string_bytes
    return failure.at(
      "tensor", valid ? name(i) : nil, offset: graphSection.offset(64 + i * 64))
  }

  private func checkTensor(_ i: Int) throws(Failure) {
    let t = tensors[i]
    guard t.name < graph.string_bytes, t.flags & ~(CNNB_TENSOR_CONSTANT | (t.isUInt8 ? CNNB_TENSOR_SIGNED : 0)) == 0
    else {
      throw .format("its name lies outside, or a reserved flag is set")
    }
    guard t.rank <= CNNB_MAX_RANK else { throw .format("rank % is more than 6", Int(t.rank)) }
    for d in 0..<6 where d < Int(t.rank) ? t.dim(d) < 1 : t.dim(d) != 1 {
      throw .format("dimension % is %", d, t.dim(d))
    }
    guard t.elementCount != nil else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "it has more than 2147483647 elements. Use a smaller network.")
    }
    guard t.elementBytes > 0 else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "element type % is not known. Use a newer library.", Int(t.type))
    }
    guard t.quantization == CNNB_NONE || Int(t.quantization) < quantizationCount else {
      throw .format("its quantization % is not there", Int(t.quantization))
    }
    if isConstant(i) { try checkConstant(t) } else { try checkActivation(t) }
  }

  private func checkConstant(_ t: cnnb_tensor) throws(Failure) {
    let available = UInt64(weightBytes)
    guard t.data_offset % UInt64(CNNB_ALIGNMENT) == 0, t.data_bytes <= available,
      t.data_offset <= available - t.data_bytes
    else {
      throw .format("its data (% bytes) do not lie inside WEIGHTS at a multiple of 64", Int(clamping: t.data_bytes))
    }
    let bytes = t.elementCount! * t.elementBytes
    switch Int(t.layout) {
    case CNNB_LAYOUT_PLAIN: break
    case CNNB_LAYOUT_CHANNELS:
      guard t.rank == 1, t.elementBytes == 4 else { throw .format("it is not a list of one value per channel") }
      // Weight sums of a transposed convolution have more: its phases are padded one by one.
      guard t.data_bytes >= UInt64((t.dim(0) + 15) / 16 * 64), t.data_bytes % 64 == 0 else {
        throw .format("it has % bytes of data for % channels", Int(clamping: t.data_bytes), t.dim(0))
      }
      return
    // Their size depends on the operator: ConvolutionCheck.swift.
    case CNNB_LAYOUT_CONV, CNNB_LAYOUT_DEPTHWISE, CNNB_LAYOUT_CONV_TRANSPOSE: return
    default: throw Failure(CNNRT_ERROR_UNSUPPORTED, "layout % is not known. Use a newer library.", Int(t.layout))
    }
    guard t.data_bytes == UInt64(bytes) else {
      throw .format("it has % bytes of data and should have %", Int(clamping: t.data_bytes), bytes)
    }
  }

  private func checkActivation(_ t: cnnb_tensor) throws(Failure) {
    guard t.data_offset | t.data_bytes == 0, t.layout == UInt32(CNNB_LAYOUT_PLAIN) else {
      throw .format("an activation has data or a layout of its own")
    }
    guard t.rank >= 1, t.dim(0) == 1 else {
      throw .format("the batch dimension is % (of rank %) and must be 1", t.dim(0), Int(t.rank))
    }
    switch Int(t.type) {
    case CNNB_TYPE_FLOAT32:
      guard t.quantization == CNNB_NONE else { throw .format("a float32 activation has a quantization") }
    case CNNB_TYPE_UINT8:
      guard t.quantization != CNNB_NONE, quantizations![Int(t.quantization)].scale_count == 1 else {
        throw .format("a uint8 activation needs a quantization with one scale")
      }
    default:
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "activations of element type % do not work. Use a newer library.", Int(t.type))
    }
  }

  mutating func checkOperators(_ limits: Limits) throws(Failure) {
    var total = 0
    // Operators that shared their lists would make work that the size of the file does not bound.
    var operandsLeft = Int(graph.operand_count)
    for i in 0..<operatorCount {
      do throws(Failure) {
        operandsLeft -= Int(operators[i].input_count) + Int(operators[i].output_count)
        guard operandsLeft >= 0 else { throw .format("the operators have more operands than there are") }
        try checkOperator(i)
        let (sum, overflow) = total.addingReportingOverflow(work(i))
        guard !overflow, sum <= limits.work else {
          throw Failure(
            CNNRT_ERROR_LIMIT, "a run would take more than % operations. Raise max_work if you trust the bundle.",
            limits.work)
        }
        total = sum
      } catch {
        let valid = operators[i].name < graph.string_bytes
        throw error.at(
          "layer", valid ? layerName(i) : nil,
          offset: graphSection.offset(64 + tensorCount * 64 + i * 128))
      }
    }
    for i in 0..<outputCount {
      guard outputs[i] < graph.tensor_count, producers[Int(outputs[i])] != CNNB_NONE else {
        throw graphFailure(.format("network output % is not a tensor that is written", i))
      }
    }
  }

  /// Operand indices, order and single assignment; then the operator's own rules.
  private func checkOperator(_ i: Int) throws(Failure) {
    let o = operators[i]
    let (first, ins, outs) = (Int(o.first_operand), Int(o.input_count), Int(o.output_count))
    guard o.name < graph.string_bytes, o.reserved.0 | o.reserved.1 == 0 else {
      throw .format("its name lies outside, or a reserved field is not 0")
    }
    guard first + ins + outs <= Int(graph.operand_count) else { throw .format("its operands lie outside") }
    guard outs == 1 else { throw .format("it has % outputs and must have 1", outs) }
    for k in first..<first + ins where operands[k] != CNNB_NONE {
      let t = operands[k]
      guard t < graph.tensor_count else { throw .format("operand % is not a tensor", k - first) }
      guard isConstant(Int(t)) || producers[Int(t)] != CNNB_NONE else {
        throw .format("operand % is read before it is written", k - first)
      }
    }
    let y = operands[first + ins]
    guard y < graph.tensor_count, !isConstant(Int(y)), producers[Int(y)] == CNNB_NONE else {
      throw .format("its output is not a tensor, a constant, or written twice")
    }
    try checkOperatorKind(i)
    producers[Int(y)] = UInt32(i)
  }
}
