extension ONNXType {
  /// An integer as the type can hold it: wrapped at its width; bool is 0 or 1.
  package func wrapped(_ value: Int64) -> Int64 {
    switch self {
    case .uint8: Int64(UInt8(truncatingIfNeeded: value))
    case .int8: Int64(Int8(truncatingIfNeeded: value))
    case .uint16: Int64(UInt16(truncatingIfNeeded: value))
    case .int16: Int64(Int16(truncatingIfNeeded: value))
    case .int32: Int64(Int32(truncatingIfNeeded: value))
    case .uint32: Int64(UInt32(truncatingIfNeeded: value))
    case .bool: value == 0 ? 0 : 1
    case .uint4, .uint2: value & (1 << Int64(bits) - 1)
    case .int4, .int2: (value << Int64(64 - bits)) >> Int64(64 - bits)
    default: value
    }
  }

  /// The smallest and the largest integer, as they are held; bool has 0 and 1.
  var limits: (smallest: Int64, largest: Int64) {
    switch self {
    case .bool: (0, 1)
    case .uint64: (0, -1)
    case .uint2, .uint4, .uint8, .uint16, .uint32: (0, 1 << Int64(bits) - 1)
    default: (.min >> Int64(64 - bits), .max >> Int64(64 - bits))
    }
  }
}
