import CNNSupport
import Foundation

/// The images of a data set as files, the first of them decoded and kept.
struct ImageFiles: Sendable {
  let decoder: ImageDecoder
  let paths: [String]
  /// CRC-32 of each image's pixels.
  let checksums: [UInt32]
  /// [n, channels, height, width], the first n images.
  let kept: [UInt8]

  func withImage<Result>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) throws -> Result {
    let bytes = decoder.imageBytes
    guard (index + 1) * bytes <= kept.count else {
      return try decoder.decode(paths[index]).pixels.withUnsafeBufferPointer(body)
    }
    return try kept.withUnsafeBufferPointer {
      try body(UnsafeBufferPointer(rebasing: $0[index * bytes..<(index + 1) * bytes]))
    }
  }
}

/// Decodes every file once, on all processors, and finds those that are not whole.
final class ImageSurvey: @unchecked Sendable {
  let paths: [String]
  /// Per path: nil if it is whole, else why it is not.
  private(set) var failures: [String?]
  /// Per path: as it is in the file, upright.
  private(set) var sizes: [(height: Int, width: Int)]

  private let decoder: ImageDecoder
  private var checksums: [UInt32]
  private var kept: [UInt8]
  private var done = 0
  private let progress: CNNSupport.Progress?
  /// Guards all that changes.
  private let lock = NSLock()

  /// - Parameters:
  ///   - cacheBytes: the most that are kept of the pixels.
  ///   - progress: show how far it is.
  init(_ paths: [String], _ decoder: ImageDecoder, cacheBytes: Int, progress: Bool) {
    (self.paths, self.decoder) = (paths, decoder)
    failures = paths.map { _ in nil }
    sizes = paths.map { _ in (0, 0) }
    checksums = paths.map { _ in 0 }
    kept = [UInt8](
      repeating: 0, count: min(paths.count, max(0, cacheBytes) / decoder.imageBytes) * decoder.imageBytes)
    self.progress = progress ? CNNSupport.Progress("decoding", total: paths.count) : nil
    DispatchQueue.concurrentPerform(iterations: paths.count) { index in
      do throws(CNNError) { take(try decoder.decode(paths[index]), index) } catch { refuse(error.what, index) }
    }
    self.progress?.finish()
  }

  private func take(_ image: ImageDecoder.Image, _ index: Int) {
    let checksum = Zlib.crc32(image.pixels)
    lock.withLock {
      checksums[index] = checksum
      sizes[index] = (image.sourceHeight, image.sourceWidth)
      let place = index * decoder.imageBytes..<(index + 1) * decoder.imageBytes
      if place.upperBound <= kept.count {
        kept.withUnsafeMutableBufferPointer { _ = $0[place].update(fromContentsOf: image.pixels) }
      }
      count()
    }
  }

  private func refuse(_ reason: String, _ index: Int) {
    lock.withLock {
      failures[index] = reason
      count()
    }
  }

  private func count() {
    done += 1
    progress?.update(done)
  }

  var skipped: [SkippedFile] {
    zip(paths, failures).compactMap { path, reason in reason.map { SkippedFile(path: path, reason: $0) } }
  }

  /// The numbers of the paths that are whole.
  var whole: [Int] { paths.indices.filter { failures[$0] == nil } }

  /// The images that are whole; those that are kept move together. The survey itself keeps none any more.
  func files() -> ImageFiles {
    let (bytes, whole) = (decoder.imageBytes, whole)
    var kept: [UInt8] = []
    swap(&kept, &self.kept)
    let keptImages = whole.prefix { ($0 + 1) * bytes <= kept.count }
    kept.withUnsafeMutableBytes { kept in
      for (to, from) in keptImages.enumerated() where to != from {
        memmove(kept.baseAddress! + to * bytes, kept.baseAddress! + from * bytes, bytes)
      }
    }
    kept.removeLast(kept.count - keptImages.count * bytes)
    return ImageFiles(
      decoder: decoder, paths: whole.map { paths[$0] }, checksums: whole.map { checksums[$0] }, kept: kept)
  }
}
