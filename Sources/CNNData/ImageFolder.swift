import CNNModel
import CNNSupport

/// A folder with a folder of PNG and JPEG files for each class, which has the class's name:
///
///     photos/train/cat/1.jpg    photos/train/dog/1.png    photos/test/cat/9.jpg …
///
/// or without `train` and `test`: then there are no test images. `val` stands for `test` where there is none. Classes are
/// numbered by the bytes of their names. Hidden files are ignored; folders in a class's folder are not entered. A file
/// is what its first bytes say, whatever its name.
public struct ImageFolder: DataSource {
  public let name: String
  public let path: String
  public let options: DataOptions

  public init(name: String, path: String, options: DataOptions = DataOptions()) {
    (self.name, self.path, self.options) = (name, path, options)
  }

  static func looksLikeOne(_ folder: String) -> Bool {
    (try? names(in: folder))?.contains { isFolder("\(folder)/\($0)") } ?? false
  }

  /// Decodes every training image once: those that are not whole are found, and as many as may be are kept.
  public func loadTraining() throws(CNNError) -> Dataset { try load(trainingFolder, classes: try classes()) }

  public var hasTestImages: Bool { testFolder != nil }

  public func loadTest() throws(CNNError) -> Dataset {
    guard let testFolder else {
      throw CNNError("has no test images", at: path, advice: "put them into \(path)/test, a folder per class")
    }
    return try load(testFolder, classes: try classes())
  }

  private var trainingFolder: String { isFolder("\(path)/train") ? "\(path)/train" : path }

  private var testFolder: String? {
    guard trainingFolder != path else { return nil }
    return ["\(path)/test", "\(path)/val"].first(where: isFolder)
  }

  /// The folders of the training images name them.
  private func classes() throws(CNNError) -> [String] {
    let classes = try names(in: trainingFolder).filter { isFolder("\(trainingFolder)/\($0)") }
    guard classes.count > 1 else {
      throw CNNError(
        "has \(classes.count) folders with images; each class needs one, and there must be two classes at least",
        at: trainingFolder,
        advice: classes.isEmpty ? "" : "are the classes in \(trainingFolder)/\(classes[0])? Give that")
    }
    return classes
  }
}

// MARK: Loading

extension ImageFolder {
  private struct Files {
    var paths: [String] = []
    var labels: [Int32] = []
  }

  private func load(_ folder: String, classes: [String]) throws(CNNError) -> Dataset {
    let files = try list(folder, classes)
    let headers = files.paths.map(ImageHeader.init(path:))
    let size = if let size = options.size { size } else { try commonSize(files.paths, headers, folder) }
    let channels = options.channels ?? (headers.contains { $0?.hasColour == true } ? 3 : 1)
    let decoder = try ImageDecoder(
      channels: channels, height: size.height, width: size.width, resize: options.resize)
    let survey = ImageSurvey(files.paths, decoder, cacheBytes: options.cacheBytes, progress: options.progress)
    try check(survey, size, folder)
    let (labels, skipped) = (survey.whole.map { files.labels[$0] }, survey.skipped)
    return try Dataset(
      files: survey.files(), classNames: classes, labels: labels, skipped: skipped, resize: options.resize,
      origin: folder)
  }

  private func list(_ folder: String, _ classes: [String]) throws(CNNError) -> Files {
    var files = Files()
    for name in try names(in: folder) where isFolder("\(folder)/\(name)") {
      guard let label = classes.firstIndex(of: name) else {
        throw CNNError(
          "is no class of the training images", at: "\(folder)/\(name)",
          advice: "the classes are those of \(trainingFolder)"
        )
      }
      for file in try names(in: "\(folder)/\(name)") where isFile("\(folder)/\(name)/\(file)") {
        files.paths.append("\(folder)/\(name)/\(file)")
        files.labels.append(Int32(label))
      }
    }
    guard !files.paths.isEmpty else {
      throw CNNError("the folders of the classes hold no files", at: folder, advice: "put PNG or JPEG files into them")
    }
    return files
  }

  private func commonSize(
    _ paths: [String], _ headers: [ImageHeader?], _ folder: String
  ) throws(CNNError) -> (height: Int, width: Int) {
    guard let first = headers.firstIndex(where: { $0 != nil }) else {
      throw CNNError("holds no PNG or JPEG images", at: folder)
    }
    let size = (height: headers[first]!.height, width: headers[first]!.width)
    if let other = headers.indices.first(where: { index in headers[index].map { ($0.height, $0.width) != size } ?? false
    }) {
      throw sizesDiffer(paths[other], (headers[other]!.height, headers[other]!.width), size)
    }
    return size
  }

  private func sizesDiffer(
    _ path: String, _ size: (height: Int, width: Int), _ others: (height: Int, width: Int)
  ) -> CNNError {
    CNNError(
      "is \(size.width)×\(size.height), others are \(others.width)×\(others.height)", at: path,
      advice: "name the size that all shall get with --size")
  }

  private func check(
    _ survey: ImageSurvey, _ size: (height: Int, width: Int), _ folder: String
  ) throws(CNNError) {
    let skipped = survey.skipped
    guard skipped.isEmpty || !options.strict && skipped.count < survey.paths.count else {
      throw CNNError(
        "\(skipped.count) of \(survey.paths.count) files cannot be decoded:\n\(skipped.list())", at: folder)
    }
    // A photo may lie on its side, which its header's size does not say.
    if options.size == nil, let other = survey.whole.first(where: { survey.sizes[$0] != size }) {
      throw sizesDiffer(survey.paths[other], survey.sizes[other], size)
    }
  }
}
