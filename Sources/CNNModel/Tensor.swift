import CBundle

/// The type of a tensor's elements; the raw values are the bundle's (and ONNX's) numbers.
public enum ElementType: UInt32, CaseIterable, Sendable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case int32 = 6
  case int64 = 7
  case float16 = 10
  case bfloat16 = 16

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .uint8, .int8: 1
    case .float16, .bfloat16: 2
    case .float32, .int32: 4
    case .int64: 8
    }
  }
}

/// The elements of a constant, row-major in the logical shape (OIHW for convolution weights).
public enum TensorData: Equatable, Sendable {
  case float32([Float])
  case uint8([UInt8])
  case int8([Int8])
  case int32([Int32])
  case int64([Int64])
  /// Bit patterns.
  case float16([UInt16])
  /// Bit patterns.
  case bfloat16([UInt16])

  public var type: ElementType {
    switch self {
    case .float32: .float32
    case .uint8: .uint8
    case .int8: .int8
    case .int32: .int32
    case .int64: .int64
    case .float16: .float16
    case .bfloat16: .bfloat16
    }
  }

  public var count: Int {
    switch self {
    case .float32(let a): a.count
    case .uint8(let a): a.count
    case .int8(let a): a.count
    case .int32(let a): a.count
    case .int64(let a): a.count
    case .float16(let a), .bfloat16(let a): a.count
    }
  }

  /// The elements' bytes, little-endian.
  public var bytes: [UInt8] {
    switch self {
    case .float32(let a): a.withUnsafeBytes(Array.init)
    case .uint8(let a): a
    case .int8(let a): a.withUnsafeBytes(Array.init)
    case .int32(let a): a.withUnsafeBytes(Array.init)
    case .int64(let a): a.withUnsafeBytes(Array.init)
    case .float16(let a), .bfloat16(let a): a.withUnsafeBytes(Array.init)
    }
  }

  /// Elements from their bytes, little-endian; a rest that is no whole element is ignored.
  public init(type: ElementType, bytes: some Collection<UInt8>) {
    let bytes = Array(bytes)
    func elements<T: BitwiseCopyable>(_: T.Type) -> [T] {
      let count = bytes.count / MemoryLayout<T>.size
      return [T](unsafeUninitializedCapacity: count) { buffer, initialized in
        UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes.prefix(count * MemoryLayout<T>.size))
        initialized = count
      }
    }
    self =
      switch type {
      case .float32: .float32(elements(Float.self))
      case .uint8: .uint8(bytes)
      case .int8: .int8(elements(Int8.self))
      case .int32: .int32(elements(Int32.self))
      case .int64: .int64(elements(Int64.self))
      case .float16: .float16(elements(UInt16.self))
      case .bfloat16: .bfloat16(elements(UInt16.self))
      }
  }

  /// The elements of a float32 tensor, nil for any other type.
  public var floats: [Float]? { if case .float32(let a) = self { a } else { nil } }
  /// The elements of an int8 tensor, nil for any other type.
  public var int8s: [Int8]? { if case .int8(let a) = self { a } else { nil } }
  /// The elements of an int32 tensor, nil for any other type.
  public var int32s: [Int32]? { if case .int32(let a) = self { a } else { nil } }
}

/// real value = (stored value − zeroPoint) · scale
public struct Quantization: Equatable, Sendable {
  /// One for the whole tensor, or one per index of dimension `axis`.
  public var scales: [Float]
  /// uint8 activations: 0 … 255; int8 weights: 0.
  public var zeroPoint: Int32
  public var axis: Int
  /// uint8: the values, and the zero point, stand for int8 ones, which are 128 less. Sums are rounded as of those.
  public var isSigned = false

  public init(scale: Float, zeroPoint: Int32, isSigned: Bool = false) {
    scales = [scale]
    self.zeroPoint = zeroPoint
    axis = 0
    self.isSigned = isSigned
  }

  /// Symmetric, one scale per index of `axis`: weights.
  public init(scales: [Float], axis: Int = 0) {
    self.scales = scales
    zeroPoint = 0
    self.axis = axis
  }
}

/// A value of the network: an activation, or a constant with its data. Its name is its key in `Graph.tensors`.
public struct Tensor: Equatable, Sendable {
  public var type: ElementType
  /// ONNX order: N, C, H, W; O, I, H, W. Batch 1 in bundles.
  public var shape: [Int]
  public var quantization: Quantization?
  /// A constant's elements; nil for activations.
  public var data: TensorData? {
    didSet { if let data { type = data.type } }
  }

  /// An activation.
  public init(_ type: ElementType = .float32, shape: [Int], quantization: Quantization? = nil) {
    self.type = type
    self.shape = shape
    self.quantization = quantization
  }

  /// A constant.
  public init(_ data: TensorData, shape: [Int], quantization: Quantization? = nil) {
    type = data.type
    self.data = data
    self.shape = shape
    self.quantization = quantization
  }

  public var isConstant: Bool { data != nil }

  /// The product of `shape`.
  public var count: Int { shape.reduce(1, *) }
}
