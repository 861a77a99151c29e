import CNNSupport

/// An array of bytes from an IDX file, the format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, the
/// element type, the rank, one big-endian 32-bit size per axis, then the elements in row-major order.
public struct IDXFile: Sendable {
  public let shape: [Int]
  public let bytes: [UInt8]

  /// The most bytes of elements that a file may declare.
  public static let defaultLimit = 2 << 30

  /// Reads a plain or gzipped file of unsigned bytes.
  /// - Parameter limit: the most bytes of elements that are accepted.
  /// - Throws: `CNNError` if the file cannot be read, is not IDX, holds another type, is cut short or too long.
  public init(path: String, limit: Int = defaultLimit) throws(CNNError) {
    let file = try CompressedFile(path: path)
    shape = try Self.readShape(of: file)
    let count = try Self.elementCount(shape, limit: limit, path: path)
    bytes = try file.read(upTo: count)
    guard bytes.count == count else {
      throw CNNError(
        "cut short: the header promises \(count) bytes, \(bytes.count) are there", at: path,
        advice: "fetch the file again")
    }
    guard try file.read(upTo: 1).isEmpty else {
      throw CNNError(
        "longer than the \(count) bytes that its header promises", at: path,
        advice: "it is damaged or not the right file")
    }
  }

  private static let unsignedByte: UInt8 = 0x08
  private static let maximumRank = 4

  private static func readShape(of file: borrowing CompressedFile) throws(CNNError) -> [Int] {
    let head = try file.read(upTo: 4)
    guard head.count == 4, head[0] == 0, head[1] == 0 else {
      throw CNNError("not an IDX file: it does not begin with two zero bytes, a type and a rank", at: file.path)
    }
    guard head[2] == unsignedByte else {
      let type = String(head[2], radix: 16)
      throw CNNError("its elements have IDX type 0x\(type); only unsigned bytes (0x8) are read", at: file.path)
    }
    let rank = Int(head[3])
    guard 1...maximumRank ~= rank else {
      throw CNNError("has rank \(rank); 1 to \(maximumRank) are read", at: file.path)
    }
    let sizes = try file.read(upTo: 4 * rank)
    guard sizes.count == 4 * rank else {
      throw CNNError("cut short inside its header", at: file.path, advice: "fetch the file again")
    }
    return (0..<rank).map { axis in sizes[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } }
  }

  private static func elementCount(_ shape: [Int], limit: Int, path: String) throws(CNNError) -> Int {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= limit else {
        let sizes = shape.map(String.init).joined(separator: "×")
        throw CNNError("declares \(sizes) bytes, more than the limit of \(limit)", at: path)
      }
      count = product
    }
    return count
  }
}
