import Bundle
import CCNNRT
import CPlatform

// The state as bytes: a header, then parameters, running statistics, moments and averages as they lie in memory
// (little-endian float32, kernel order).
extension Trainer {
  /// All fields little-endian.
  struct StateHeader {
    var magic: UInt64 = 0x5254_5320_4E4E_4300  // "\0CNN STR"
    var version: UInt32 = 2
    var optimizer: UInt32
    var bytes: UInt64
    /// Of the parameters' names, shapes and order.
    var network: UInt64
    var updates: Int64
    var seed: UInt64
    /// Of what follows the header.
    var payloadCRC: UInt32
    /// Of the fields before.
    var headerCRC: UInt32 = 0
  }

  private static var headerBytes: Int { 64 }

  /// Runs over the arrays that make up the state.
  private func forEachArray(_ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
    body(values, plan.parameters.elements)
    body(statistics, plan.parameters.statisticElements)
    if let moment1 { body(moment1, plan.parameters.elements) }
    if let moment2 { body(moment2, plan.parameters.elements) }
    if let averages {
      body(averages.values, plan.parameters.elements)
      body(averages.statistics, plan.parameters.statisticElements)
    }
  }

  public var stateSize: Int {
    var bytes = Self.headerBytes
    forEachArray { bytes += 4 * $1 }
    return bytes
  }

  /// A number for each set of arrays.
  private var optimizer: UInt32 {
    let kind: UInt32 =
      switch options.optimizer {
      case .sgd: moment1 != nil ? 1 : 0
      case .adam: 2
      case .adamW: 3
      }
    return kind + (averages != nil ? 4 : 0)
  }

  /// FNV-1a over names and shapes.
  private var network: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    for i in 0..<plan.parameters.count {
      let p = plan.parameters.list[i]
      var name = p.name
      while let c = name?.pointee, c != 0 {
        add(UInt8(bitPattern: c))
        name = name.map { $0 + 1 }
      }
      add(0)
      for d in 0..<6 {
        for byte in 0..<8 { add(UInt8(truncatingIfNeeded: p.shape[d] >> Int64(8 * byte))) }
      }
    }
    return hash
  }

  /// Writes `stateSize` bytes.
  public func save(_ bytes: UnsafeMutableRawPointer) {
    var next = bytes + Self.headerBytes
    forEachArray { array, count in
      next.copyMemory(from: array, byteCount: 4 * count)
      next += 4 * count
    }
    var header = StateHeader(
      optimizer: optimizer, bytes: UInt64(stateSize), network: network, updates: updates, seed: options.seed,
      payloadCRC: cp_crc32(0, bytes + Self.headerBytes, stateSize - Self.headerBytes))
    header.headerCRC = checksum(header)
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.headerBytes)
    bytes.copyMemory(from: &header, byteCount: MemoryLayout<StateHeader>.size)
  }

  private func checksum(_ header: StateHeader) -> UInt32 {
    var header = header
    return cp_crc32(0, &header, MemoryLayout<StateHeader>.size - 4)
  }

  /// Checks all before it changes anything.
  public mutating func load(_ bytes: UnsafeRawPointer, _ count: Int) throws(Failure) {
    guard count >= Self.headerBytes else { throw .state("% bytes are not a trainer's state", count) }
    let header = bytes.loadUnaligned(as: StateHeader.self),
      own = StateHeader(
        optimizer: optimizer, bytes: UInt64(count), network: network, updates: 0, seed: 0, payloadCRC: 0)
    guard header.magic == own.magic else { throw .state("these bytes are not a trainer's state") }
    guard header.version == own.version else {
      throw .state("the state has version % and this library reads %", Int(header.version), Int(own.version))
    }
    guard count == stateSize else {
      throw .state("the state has % bytes and this trainer's has %: another network or other options", count, stateSize)
    }
    guard header.headerCRC == checksum(header), header.bytes == own.bytes, header.updates >= 0,
      header.payloadCRC == cp_crc32(0, bytes + Self.headerBytes, count - Self.headerBytes)
    else { throw .state("the state is damaged: its checksum is wrong") }
    guard header.network == own.network else { throw .state("the state is of a network with other parameters") }
    guard header.optimizer == own.optimizer else {
      throw .state("the state is of another optimizer, or one has averages")
    }
    var next = bytes + Self.headerBytes
    forEachArray { array, count in
      UnsafeMutableRawPointer(array).copyMemory(from: next, byteCount: 4 * count)
      next += 4 * count
    }
    updates = header.updates
    options.seed = header.seed
  }
}

extension Failure {
  @inline(never)
  static func state(_ message: StaticString, _ a: Int = 0, _ b: Int = 0) -> Failure {
    Failure(CNNRT_ERROR_FORMAT, message, a, b)
  }
}
