import CCheck
import CKernels

/// One instruction set against the reference.
struct Check {
  var random: Random
  let fast: cnn_kernels, reference: cnn_kernels, cases: Int
  /// FNV-1a over all results so far, to be compared between processors: equal for every operator but conv_f32.
  var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  let x = Piece(capacity: 64), b = Piece(capacity: 64), expected = Piece(capacity: 64), actual = Piece(capacity: 64)
  let weights = Piece(capacity: 32), plainWeights = Piece(capacity: 32), scale = Piece(capacity: 1)
  let shift = Piece(capacity: 1), fastBias = Piece(capacity: 1), referenceBias = Piece(capacity: 1)
  let offsets = Piece(capacity: 1), blockTables = Piece(capacity: 1), blockOffsets = Piece(capacity: 8)
  let blockWeights = Piece(capacity: 32), table = Piece(capacity: 1), axisTables = Piece(capacity: 8)
  /// Of float results that may differ, the largest error so far in parts of the magnitude that it is measured by.
  var largestError = 0.0

  init(_ fast: cnn_kernels, seed: UInt64, cases: Int) {
    self.fast = fast
    self.cases = cases
    random = Random(seed: seed)
    var reference = cnn_kernels()
    cnn_kernels_reference(&reference)
    self.reference = reference
  }

  mutating func everything() {
    repeated("conv_u8") { $0.convolution(.u8) }
    repeated("conv_u8_f32") { $0.convolution(.u8f32) }
    repeated("conv_f32") { $0.convolution(.f32) }
    repeated("conv_u8 grouped") { $0.grouped(.u8) }
    repeated("conv_u8_f32 grouped") { $0.grouped(.u8f32) }
    repeated("conv_f32 grouped") { $0.grouped(.f32) }
    repeated("conv_u8 transposed") { $0.transposed(.u8) }
    repeated("conv_u8_f32 transposed") { $0.transposed(.u8f32) }
    repeated("conv_f32 transposed") { $0.transposed(.f32) }
    repeated("depthwise_u8") { $0.depthwise(.u8) }
    repeated("depthwise_u8_f32") { $0.depthwise(.u8f32) }
    repeated("depthwise_f32") { $0.depthwise(.f32) }
    repeated("max_pool_u8") { $0.pool(isFloat: false, isMax: true) }
    repeated("max_pool_f32") { $0.pool(isFloat: true, isMax: true) }
    repeated("average_pool_u8") { $0.pool(isFloat: false, isMax: false) }
    repeated("average_pool_f32") { $0.pool(isFloat: true, isMax: false) }
    repeated("add_u8") { $0.add(isFloat: false) }
    repeated("add_f32") { $0.add(isFloat: true) }
    repeated("binary_u8") { $0.binary(isFloat: false) }
    repeated("binary_f32") { $0.binary(isFloat: true) }
    repeated("unary_u8") { $0.unary(isFloat: false) }
    repeated("unary_f32") { $0.unary(isFloat: true) }
    repeated("prelu_u8") { $0.prelu(isFloat: false) }
    repeated("prelu_f32") { $0.prelu(isFloat: true) }
    repeated("lrn_u8") { $0.lrn(isFloat: false) }
    repeated("lrn_f32") { $0.lrn(isFloat: true) }
    repeated("resize_u8") { $0.resize(isFloat: false) }
    repeated("resize_f32") { $0.resize(isFloat: true) }
    repeated("reduce_u8") { $0.reduce(isFloat: false) }
    repeated("reduce_f32") { $0.reduce(isFloat: true) }
    repeated("group_norm_u8") { $0.groupNorm(isFloat: false) }
    repeated("group_norm_f32") { $0.groupNorm(isFloat: true) }
    repeated("layer_norm_u8") { $0.layerNorm(isFloat: false) }
    repeated("layer_norm_f32") { $0.layerNorm(isFloat: true) }
    repeated("softmax_axis") { $0.softmaxAxis() }
    repeated("matmul_u8") { $0.matmul(isFloat: false) }
    repeated("matmul_f32") { $0.matmul(isFloat: true) }
    repeated("clamp_u8") { $0.clamp() }
    repeated("affine_f32") { $0.affine() }
    repeated("move") { $0.move() }
    repeated("flatten") { $0.flatten() }
    repeated("softmax") { $0.softmax() }
    repeated("fill_halo") { $0.fillHalo() }
    repeated("import_plain") { $0.copy(isImport: true) }
    repeated("import_plain alike") { $0.conversion() }
    repeated("export_plain") { $0.copy(isImport: false) }
  }

  private mutating func repeated(_ operation: StaticString, _ one: (inout Check) -> Void) {
    digest = 0xCBF2_9CE4_8422_2325
    largestError = -1
    for _ in 0..<cases { one(&self) }
    operation.utf8Start.withMemoryRebound(to: CChar.self, capacity: 1) {
      if largestError < 0 {
        check_report($0, fast.isa, Int64(cases), digest)
      } else {
        check_report_close($0, fast.isa, Int64(cases), largestError)
      }
    }
  }

  /// Runs the reference and, cut into shares, the fast kernel; both results lie in tensors that began with equal bytes,
  /// and must end with equal ones, guard bytes and halo included.
  mutating func compare<Arguments>(
    _ like: cnn_view, elementBytes: Int, _ referenceKernel: cnn_kernel, _ fastKernel: cnn_kernel,
    _ arguments: (_ y: cnn_view, _ isFast: Bool) -> Arguments, describe: () -> Void
  ) {
    let expected = Tensor(like, in: expected, elementBytes: elementBytes)
    let actual = Tensor(like, in: actual, elementBytes: elementBytes)
    expected.piece.fill(0xA5)
    run(referenceKernel, arguments(expected.view, false), parts: 1)
    for parts in [1, randomParts()] {
      actual.piece.fill(0xA5)
      run(fastKernel, arguments(actual.view, true), parts: parts)
      if let byte = actual.difference(from: expected) {
        describe()
        check_number("parts", Int64(parts))
        fail(expected, actual, byte)
      }
    }
    digest(actual)
  }

  /// Float results that depend on the instruction set: the fast kernel's must not depend on the shares and, with the
  /// reference's, lie as near to the truth as `judge` wants; halo and guard bytes must be equal.
  mutating func compareAnyway<Arguments>(
    _ like: cnn_view, _ referenceKernel: cnn_kernel, _ fastKernel: cnn_kernel,
    _ arguments: (_ y: cnn_view, _ isFast: Bool) -> Arguments, _ describe: () -> Void,
    judge: (_ check: inout Check, _ arguments: Arguments, _ y: Tensor, _ isFast: Bool) -> Void
  ) {
    let first = Tensor(like, in: expected, elementBytes: 4), second = Tensor(like, in: actual, elementBytes: 4)
    first.piece.fill(0xA5)
    run(fastKernel, arguments(first.view, true), parts: 1)
    second.piece.fill(0xA5)
    let parts = randomParts(), fastArguments = arguments(second.view, true)
    run(fastKernel, fastArguments, parts: parts)
    if let byte = second.difference(from: first) {
      describe()
      check_text(" with shares:")
      check_number("parts", Int64(parts))
      fail(first, second, byte)
    }
    let referenceArguments = arguments(first.view, false)
    first.piece.fill(0xA5)
    run(referenceKernel, referenceArguments, parts: 1)
    // What is not a channel must be as the reference leaves it.
    for byte in 0..<first.piece.bytes
    where first.piece.base.load(fromByteOffset: byte, as: UInt8.self)
      != second.piece.base.load(fromByteOffset: byte, as: UInt8.self)
      && (first.place(byte) == .halo || first.place(byte) == .none)
    {
      describe()
      fail(first, second, byte)
    }
    judge(&self, referenceArguments, first, false)
    judge(&self, fastArguments, second, true)
  }

  /// One float result against the truth.
  mutating func judge(
    _ got: Double, exact: Double, magnitude: Double, bound: Double, isFast: Bool, _ describe: () -> Void
  ) {
    let error = (got - exact).magnitude
    if isFast { largestError = max(largestError, magnitude > 0 ? error / magnitude : 0) }
    if error <= bound || got == exact { return }
    describe()
    check_text(isFast ? " the fast kernel" : " the reference")
    check_real("exact", exact)
    check_real("result", got)
    check_real("bound", bound)
    check_stop("too far from the truth: ", String(cString: fast.isa), 1)
  }

  private mutating func digest(_ y: Tensor) {
    var digest = digest
    y.forEachElement { p in
      for byte in 0..<y.elementBytes { digest = mixed(digest, p.load(fromByteOffset: byte, as: UInt8.self)) }
    }
    self.digest = digest
  }

  func run<Arguments>(_ kernel: cnn_kernel, _ arguments: Arguments, parts: Int) {
    withUnsafePointer(to: arguments) {
      for part in 0..<parts { kernel($0, Int32(part), Int32(parts)) }
    }
  }
  mutating func randomParts() -> Int { [2, 3, 5, 8][random.int(0...3)] }

  func fail(_ expected: Tensor, _ actual: Tensor, _ byte: Int) -> Never {
    check_number("byte", Int64(byte))
    switch actual.place(byte) {
    case .channel: check_text(" in a channel")
    case .halo: check_text(" in the halo")
    case .lane: check_text(" behind the channels")
    case .none: check_text(" outside the tensor")
    }
    let from = byte / actual.elementBytes * actual.elementBytes
    if actual.elementBytes == 4 {
      check_real("expected", Double(expected.piece.base.loadUnaligned(fromByteOffset: from, as: Float.self)))
      check_real("actual", Double(actual.piece.base.loadUnaligned(fromByteOffset: from, as: Float.self)))
    } else {
      check_number("expected", Int64(expected.piece.base.load(fromByteOffset: from, as: UInt8.self)))
      check_number("actual", Int64(actual.piece.base.load(fromByteOffset: from, as: UInt8.self)))
    }
    check_stop("the kernels differ: ", String(cString: fast.isa), 1)
    fatalError()
  }

  /// A random zero point, often one of the ends.
  mutating func zeroPoint() -> Int { random.once(in: 3) ? [0, 255][random.int(0...1)] : random.int(0...255) }

  /// `count` reals between −size and size, then zeros to a multiple of 16, ending where memory ends.
  mutating func channelValues(_ piece: Piece, count: Int, _ value: (inout Random) -> Float)
    -> UnsafeMutablePointer<Float>
  {
    let padded = (count + 15) / 16 * 16
    let p = piece.last(padded * 4).base.assumingMemoryBound(to: Float.self)
    for i in 0..<padded { p[i] = i < count ? value(&random) : 0 }
    return p
  }
}

func describe(_ name: StaticString, _ v: cnn_view) {
  check_text(" | ")
  name.utf8Start.withMemoryRebound(to: CChar.self, capacity: 1) { check_text($0) }
  check_number("batch", Int64(v.batch))
  check_number("channels", Int64(v.channels))
  check_number("height", Int64(v.height))
  check_number("width", Int64(v.width))
  check_number("halo", Int64(v.halo))
  check_number("pixel", Int64(v.pixel))
  check_text(" |")
}

func randomFloat(_ random: inout Random, _ p: UnsafeMutableRawPointer) {
  p.storeBytes(of: random.real() * 4, as: Float.self)
}
/// Uniform, but now and then the ends, which products of bytes must survive.
func randomByte(_ random: inout Random, _ p: UnsafeMutableRawPointer) {
  let bits = random.next()
  let value = bits & 7 == 0 ? (bits & 8 == 0 ? 0 : 255) : UInt8(truncatingIfNeeded: bits >> 32)
  p.storeBytes(of: value, as: UInt8.self)
}

/// One step of FNV-1a.
func mixed(_ digest: UInt64, _ byte: UInt8) -> UInt64 { (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
