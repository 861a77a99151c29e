import CNNSupport
import Glibc

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Where a tensor's bytes are if not in the model's file.
struct ExternalData {
  private var location = ""
  private var offset = 0
  /// nil: to the end of the file.
  private var length: Int?

  init(_ entries: [Onnx_StringStringEntryProto]) throws(CNNError) {
    for entry in entries {
      switch entry.key {
      case "location": location = entry.value
      case "offset": offset = try Self.number(entry)
      case "length": length = try Self.number(entry)
      default: break
      }
    }
  }

  private static func number(_ entry: Onnx_StringStringEntryProto) throws(CNNError) -> Int {
    guard let number = Int(entry.value), number >= 0 else {
      throw CNNError("the \(entry.key) of its external data, “\(entry.value)”, is not a size")
    }
    return number
  }

  /// Reads `size` bytes. The file must be inside the model's folder, whatever the model says.
  func read(_ size: Int, in folder: String?) throws(CNNError) -> Data {
    guard let folder else {
      throw CNNError(
        "its data is in another file, “\(location)”, which cannot be here", advice: "give the model as a file")
    }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.hasPrefix("/"), !parts.contains(".."), !location.utf8.contains(0) else {
      throw CNNError(
        "its external data is outside the model's folder: “\(location)”", advice: "move it beside the model")
    }
    if let length, length != size {
      throw CNNError("its external data has \(length) bytes, but its shape needs \(size)")
    }
    let path = folder + location
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw .system("cannot open the file of its external data", at: path) }
    defer { close(file) }
    var status = stat()
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, !overflow, end <= Int(status.st_size) else {
      throw CNNError(
        "the file of its external data is too short: \(size) bytes from \(offset) on are not there", at: path,
        advice: "copy it again, whole")
    }
    var data = Data(count: size)
    let got = data.withUnsafeMutableBytes { buffer in
      var done = 0
      while done < size {
        let count = pread(file, buffer.baseAddress! + done, size - done, off_t(offset + done))
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { break }
        done += count
      }
      return done
    }
    guard got == size else { throw .system("cannot read the file of its external data", at: path) }
    return data
  }
}
