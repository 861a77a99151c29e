import CBundle
import CNNSupport

/// A bundle put together field by field, from FORMAT.md alone and without CNNModel's writer: what the library reads is compared with
/// the text, and any field can be wrong.
struct RawBundle {
  struct Quantization: Equatable {
    var scale: Float
    var zeroPoint: Int32
  }

  var tensors: [cnnb_tensor] = []
  var operators: [cnnb_operator] = []
  var operands: [UInt32] = []
  var inputs: [UInt32] = []
  var outputs: [UInt32] = []
  var weights: [UInt8] = []
  private var quantizations: [cnnb_quantization] = []
  private var scales: [Float] = []

  // MARK: - Tensors

  private mutating func tensor(_ type: Int, _ shape: [Int]) -> cnnb_tensor {
    var t = cnnb_tensor()
    t.type = UInt32(type)
    t.rank = UInt32(shape.count)
    withUnsafeMutableBytes(of: &t.dims) {
      let dims = $0.bindMemory(to: UInt32.self)
      for axis in 0..<6 { dims[axis] = axis < shape.count ? UInt32(shape[axis]) : 1 }
    }
    t.quantization = CNNB_NONE
    return t
  }

  private mutating func entry(_ scales: [Float], _ zeroPoint: Int32) -> UInt32 {
    quantizations.append(
      cnnb_quantization(
        first_scale: UInt32(self.scales.count), scale_count: UInt32(scales.count), zero_point: zeroPoint, axis: 0))
    self.scales += scales
    return UInt32(quantizations.count - 1)
  }

  /// uint8 where it has a quantization, else float32.
  mutating func activation(_ shape: [Int], _ quantization: Quantization?) -> UInt32 {
    var t = tensor(quantization == nil ? CNNB_TYPE_FLOAT32 : CNNB_TYPE_UINT8, shape)
    if let q = quantization { t.quantization = entry([q.scale], q.zeroPoint) }
    tensors.append(t)
    return UInt32(tensors.count - 1)
  }

  mutating func constant(
    _ type: Int, _ layout: Int, _ shape: [Int], _ bytes: [UInt8], scales: [Float] = [], zeroPoint: Int32 = 0
  ) -> UInt32 {
    var t = tensor(type, shape)
    t.layout = UInt32(layout)
    t.flags = CNNB_TENSOR_CONSTANT
    if !scales.isEmpty { t.quantization = entry(scales, zeroPoint) }
    weights += [UInt8](repeating: 0, count: (64 - weights.count % 64) % 64)
    t.data_offset = UInt64(weights.count)
    t.data_bytes = UInt64(bytes.count)
    weights += bytes
    tensors.append(t)
    return UInt32(tensors.count - 1)
  }

  mutating func list(_ values: [Int]) -> UInt32 {
    constant(CNNB_TYPE_INT32, CNNB_LAYOUT_PLAIN, [values.count], Self.bytes(values.map(Int32.init)))
  }

  /// In `parts`, each padded to a multiple of 16.
  mutating func channels<T: BitwiseCopyable & AdditiveArithmetic>(_ type: Int, _ values: [T], parts: Int = 1) -> UInt32
  {
    let size = values.count / parts
    var padded: [T] = []
    for part in 0..<parts {
      padded += values[part * size..<(part + 1) * size] + [T](repeating: .zero, count: (16 - size % 16) % 16)
    }
    return constant(type, CNNB_LAYOUT_CHANNELS, [values.count], Self.bytes(padded))
  }

  mutating func add(_ o: cnnb_operator, _ inputs: [UInt32], _ output: UInt32) {
    var o = o
    o.first_operand = UInt32(operands.count)
    (o.input_count, o.output_count) = (UInt16(inputs.count), 1)
    operands += inputs + [output]
    operators.append(o)
  }

  static func bytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
  private static func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

  // MARK: - The file

  var bytes: [UInt8] {
    let header = cnnb_graph(
      tensor_count: UInt32(tensors.count), operator_count: UInt32(operators.count), input_count: UInt32(inputs.count),
      output_count: UInt32(outputs.count), operand_count: UInt32(operands.count), string_bytes: 1,
      reserved: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    var graph = Self.bytes(of: header)
    graph += tensors.flatMap { Self.bytes(of: $0) } + operators.flatMap { Self.bytes(of: $0) }
    graph += Self.bytes(inputs) + Self.bytes(outputs) + Self.bytes(operands) + [0]
    var contents = [(CNNB_SECTION_GRAPH, graph)]
    if !weights.isEmpty { contents.append((CNNB_SECTION_WEIGHTS, weights)) }
    if !quantizations.isEmpty {
      var head = cnnb_quantization_header()
      (head.entry_count, head.scale_count) = (UInt32(quantizations.count), UInt32(scales.count))
      contents.append(
        (
          CNNB_SECTION_QUANTIZATION,
          Self.bytes(of: head) + quantizations.flatMap { Self.bytes(of: $0) } + Self.bytes(scales)
        ))
    }
    var file = [UInt8](repeating: 0, count: 64)
    var table: [UInt8] = []
    func align() { file += [UInt8](repeating: 0, count: (64 - file.count % 64) % 64) }
    for (kind, bytes) in contents {
      align()
      var section = cnnb_section()
      section.kind = UInt32(kind)
      section.offset = UInt64(file.count)
      (section.stored_bytes, section.raw_bytes) = (UInt64(bytes.count), UInt64(bytes.count))
      section.crc32 = Zlib.crc32(bytes)
      table += Self.bytes(of: section)
      file += bytes
    }
    align()
    var head = cnnb_header()
    withUnsafeMutableBytes(of: &head.magic) { $0.copyBytes(from: [0x89, 67, 78, 78, 13, 10, 26, 10]) }
    head.version_major = UInt16(CNNB_VERSION_MAJOR)
    head.flags = quantizations.isEmpty ? 0 : CNNB_FLAG_QUANTIZED
    head.table_offset = UInt64(file.count)
    head.section_count = UInt32(contents.count)
    head.table_crc32 = Zlib.crc32(table)
    file += table
    head.file_bytes = UInt64(file.count)
    head.header_crc32 = Zlib.crc32(Array(Self.bytes(of: head).prefix(60)))
    file.replaceSubrange(0..<64, with: Self.bytes(of: head))
    return file
  }
}

/// Kernel order, from FORMAT.md, section 4.
struct KernelOrder {
  /// [O, C/group, kH, kW], or of a transposed convolution [C, O/group, kH, kW]
  var shape: [Int]
  var group = 1
  var isTransposed = false
  var dilation = (y: 1, x: 1)
  var stride = (y: 1, x: 1)

  var outputs: Int { isTransposed ? shape[1] * group : shape[0] }
  var inputs: Int { isTransposed ? shape[0] : shape[1] * group }
  var isDepthwise: Bool { !isTransposed && group > 1 && group == inputs && group == outputs }
  var layout: Int {
    isTransposed ? CNNB_LAYOUT_CONV_TRANSPOSE : isDepthwise ? CNNB_LAYOUT_DEPTHWISE : CNNB_LAYOUT_CONV
  }
  var phases: Int { isTransposed ? stride.y * stride.x : 1 }

  /// A weight between an output and an input channel; nil where these are of different groups.
  private func index(_ o: Int, _ c: Int, _ ky: Int, _ kx: Int) -> Int? {
    let (os, cs) = (outputs / group, inputs / group)
    guard o < outputs, o / os == c / cs else { return nil }
    let pair = isTransposed ? c * os + o % os : o * cs + c % cs
    return (pair * shape[2] + ky) * shape[3] + kx
  }

  private func taps(_ phase: Int) -> [(Int, Int)] {
    let all = (0..<shape[2]).flatMap { ky in (0..<shape[3]).map { (ky, $0) } }
    guard isTransposed else { return all }
    return all.filter {
      $0.0 * dilation.y % stride.y == phase / stride.x && $0.1 * dilation.x % stride.x == phase % stride.x
    }
  }

  /// Of a block of outputs, one segment after another: the elements' input channels (nil: the output's own) and places.
  private func segments(_ block: Int, _ phase: Int) -> [[(c: Int?, ky: Int, kx: Int)]] {
    if isDepthwise { return (0..<shape[2]).map { ky in (0..<shape[3]).map { (nil, ky, $0) } } }
    if group == 1, !isTransposed, inputs <= 4 {
      if dilation.x != 1 { return taps(0).map { tap in (0..<inputs).map { ($0, tap.0, tap.1) } } }
      return (0..<shape[2]).map { ky in (0..<shape[3]).flatMap { kx in (0..<inputs).map { ($0, ky, kx) } } }
    }
    let (os, cs) = (outputs / group, inputs / group)
    let first = 16 * block / os * cs / 16, last = ((min(16 * block + 15, outputs - 1) / os + 1) * cs - 1) / 16
    return (first...last).flatMap { b in
      taps(phase).map { tap in (16 * b..<min(inputs, 16 * b + 16)).map { ($0, tap.0, tap.1) } }
    }
  }

  /// Calls `body` with every place in the file in order: its phase, output channel and, where there is one, weight.
  private func forEach(lanes: Int, _ body: (_ phase: Int, _ o: Int, _ weight: Int?) -> Void) {
    for phase in 0..<phases {
      for block in 0..<(outputs + 15) / 16 {
        for segment in segments(block, phase) {
          for step in Swift.stride(from: 0, to: segment.count, by: lanes) {
            for o in 16 * block..<16 * block + 16 {
              for k in step..<step + lanes {
                guard k < segment.count else {
                  body(phase, o, nil)
                  continue
                }
                let e = segment[k]
                body(phase, o, index(o, e.c ?? o, e.ky, e.kx))
              }
            }
          }
        }
      }
    }
  }

  func pack<T: AdditiveArithmetic>(_ values: [T]) -> [T] {
    var packed: [T] = []
    forEach(lanes: T.self == Int8.self ? 4 : 1) { packed.append($2.map { values[$0] } ?? .zero) }
    return packed
  }

  func sums(_ values: [Int8]) -> [Int32] {
    var sums = [Int32](repeating: 0, count: phases * outputs)
    forEach(lanes: 4) { phase, o, weight in
      if let weight { sums[phase * outputs + o] += Int32(values[weight]) }
    }
    return sums
  }
}
