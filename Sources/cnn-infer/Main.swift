import CCNNRT
import CImages
import CSystem

@_cdecl("cnn_infer_main")
public func main(_ argc: Int32, _ argv: UnsafePointer<UnsafePointer<CChar>>) -> Int32 {
  guard argc > 0 else { return 2 }
  do throws(UsageError) {
    let options = try Options(UnsafeBufferPointer(start: argv, count: Int(argc)))
    return run(options)
  } catch {
    Report.complain(error.text)
    return 2
  }
}

/// The exit code.
private func run(_ options: Options) -> Int32 {
  let report = Report(json: options.json, time: options.time)
  do throws(Failure) {
    if options.help {
      try report.print(Text(help))
      return 0
    }
    if options.version {
      var text = Text("cnn-infer ")
      text.append(cString: cnnrt_version_string())
      text.append("\n")
      try report.print(text)
      return 0
    }
    return try infer(options, report)
  } catch {
    Report.complain(error.text)
    return 1
  }
}

private func infer(_ options: Options, _ report: Report) throws(Failure) -> Int32 {
  let path = modelPath(options)
  let network = try Network(path: path, options: options)
  try report.opening(path, network)
  var exitCode: Int32 = 0
  if options.selfTest {
    do throws(Failure) {
      try network.selfTest()
      try report.selfTestPassed(path, network)
    } catch {
      report.failure(error, of: Text(cString: path))
      exitCode = 1
    }
  }
  let best = Classes(count: min(options.top, network.outputCount))
  for image in options.images {
    do throws(Failure) {
      try classify(image: image, with: network, best, report)
    } catch {
      report.failure(error, of: Text(cString: image))
      exitCode = 1
    }
  }
  if let npy = options.npy {
    do throws(Failure) {
      try classify(npy: npy, with: network, saving: options.saveNpy, best, report)
    } catch {
      report.failure(error, of: Text(cString: npy))
      exitCode = 1
    }
  }
  return exitCode
}

private func modelPath(_ options: Options) -> UnsafePointer<CChar> {
  if let path = options.model { return path }
  if let path = system_environment("CNN_MODEL"), path.pointee != 0 { return path }
  return UnsafeRawPointer(("model.cnn" as StaticString).utf8Start).assumingMemoryBound(to: CChar.self)
}

/// Room for the best classes of one image.
struct Classes: ~Copyable {
  let buffer: UnsafeMutableBufferPointer<cnnrt_class>
  init(count: Int) { buffer = .allocate(capacity: count) }
  deinit { buffer.deallocate() }
}

private func classify(
  image path: UnsafePointer<CChar>, with network: borrowing Network, _ best: borrowing Classes, _ report: Report
) throws(Failure) {
  var pixels = images_pixels()
  var error = images_error()
  let maxPixels = UInt64(images_max_pixels)
  let failed =
    isStandardInput(path)
    ? images_read_stream(0, maxPixels, &pixels, &error) : images_read(path, maxPixels, &pixels, &error)
  if failed != 0 { throw Failure(Text(characters: error.message)) }
  defer { images_free(&pixels) }
  var image = cnnrt_image()
  image.size = MemoryLayout<cnnrt_image>.size
  image.pixels = UnsafePointer(pixels.bytes)
  image.width = pixels.width
  image.height = pixels.height
  image.channels = pixels.channels
  image.row_bytes = Int64(pixels.width) * Int64(pixels.channels)

  let start = system_clock()
  try network.run(&image)
  try network.getBest(best.buffer)
  try report.classes(best.buffer, of: Text(cString: path), nanoseconds: system_clock() - start, from: network)
}
