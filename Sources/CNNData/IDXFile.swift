/// An array of bytes from an IDX file, the format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, the
/// element type, the rank, one big-endian 32-bit size per axis, then the elements in row-major order.
public struct IDXFile: Sendable {
  public let shape: [Int]
  public let bytes: [UInt8]

  /// The most bytes of elements that a file may declare.
  public static let defaultLimit = 2 << 30

  /// Reads a plain or gzipped file of unsigned bytes.
  /// - Parameter limit: the most bytes of elements that are accepted.
  /// - Throws: a `DataError` if the file cannot be read, is not IDX, holds another type, is cut short or too long.
  public init(path: String, limit: Int = defaultLimit) throws(DataError) {
    let file = try CompressedFile(path: path)
    shape = try Self.readShape(of: file)
    let count = try Self.elementCount(shape, limit: limit, path: path)
    bytes = try file.read(upTo: count)
    guard bytes.count == count else {
      throw DataError(
        "\(path): cut short: the header promises \(count) bytes, \(bytes.count) are there; fetch it again")
    }
    guard try file.read(upTo: 1).isEmpty else {
      throw DataError(
        "\(path): longer than the \(count) bytes that its header promises: not the right file, or damaged")
    }
  }

  private static let unsignedByte: UInt8 = 0x08
  private static let maximumRank = 4

  private static func readShape(of file: borrowing CompressedFile) throws(DataError) -> [Int] {
    let head = try file.read(upTo: 4)
    guard head.count == 4, head[0] == 0, head[1] == 0 else {
      throw DataError("\(file.path): not an IDX file: it does not begin with two zero bytes, a type and a rank")
    }
    guard head[2] == unsignedByte else {
      throw DataError(
        "\(file.path): holds elements of IDX type 0x\(String(head[2], radix: 16)); only unsigned bytes (0x8) are read")
    }
    let rank = Int(head[3])
    guard 1...maximumRank ~= rank else {
      throw DataError("\(file.path): has rank \(rank); 1 to \(maximumRank) are read")
    }
    let sizes = try file.read(upTo: 4 * rank)
    guard sizes.count == 4 * rank else { throw DataError("\(file.path): cut short inside its header; fetch it again") }
    return (0..<rank).map { axis in sizes[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } }
  }

  private static func elementCount(_ shape: [Int], limit: Int, path: String) throws(DataError) -> Int {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= limit else {
        let sizes = shape.map(String.init).joined(separator: "×")
        throw DataError("\(path): declares \(sizes) bytes, more than the limit of \(limit)")
      }
      count = product
    }
    return count
  }
}
