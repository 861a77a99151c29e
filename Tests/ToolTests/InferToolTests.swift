import CNNModel
import Foundation
import Testing

/// cnn-infer as a process, on networks small enough to be computed here.
struct InferToolTests {
  let infer = Tool(name: "cnn-infer")

  // MARK: Networks

  /// The softmax of a 13 × 7 grey image's pixels / 255: 91 classes.
  static func pixelSoftmax() -> Graph {
    var graph = Graph()
    graph.tensors = [
      "image": Tensor(shape: [1, 1, 7, 13]), "pixels": Tensor(shape: [1, 91]), "probabilities": Tensor(shape: [1, 91]),
    ]
    graph.operators = [
      Operator("flatten", .flatten, inputs: ["image"], outputs: ["pixels"]),
      Operator("softmax", .softmax, inputs: ["pixels"], outputs: ["probabilities"]),
    ]
    graph.inputs = ["image"]
    graph.outputs = ["probabilities"]
    graph.recipe = Recipe(width: 13, height: 7, channelOrder: .grey, mean: [0], deviation: [1])
    graph.labels = (0..<91).map { "pixel \"\($0)\"" }
    return graph
  }

  /// max(x, 0) of a [1, 2, 3, 5] tensor.
  static func relu() -> Graph {
    var graph = Graph()
    graph.tensors = ["x": Tensor(shape: [1, 2, 3, 5]), "y": Tensor(shape: [1, 2, 3, 5])]
    graph.operators = [Operator("relu", .relu, inputs: ["x"], outputs: ["y"])]
    graph.inputs = ["x"]
    graph.outputs = ["y"]
    let x = (0..<30).map { Float($0) - 7 }
    graph.selfTest = SelfTest(
      inputs: [.float32(x)], outputs: [.float32(x.map { max($0, 0) })], tolerance: 1e-6)
    return graph
  }

  func withBundle<Result>(_ graph: Graph, _ body: (URL, URL) throws -> Result) throws -> Result {
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "model.cnn")
      try BundleWriter().write(graph, to: path.path)
      return try body(folder, path)
    }
  }

  /// The pixels of a W × H picture / 255, in the network's order of channels: a score each.
  static func pixels(_ recipe: Recipe) -> Graph {
    let channels = recipe.channels
    let count = channels * recipe.height * recipe.width
    var graph = Graph()
    graph.tensors = [
      "image": Tensor(shape: [1, channels, recipe.height, recipe.width]), "pixels": Tensor(shape: [1, count]),
      "scores": Tensor(shape: [1, count]),
    ]
    graph.operators = [
      Operator("flatten", .flatten, inputs: ["image"], outputs: ["pixels"]),
      Operator("relu", .relu, inputs: ["pixels"], outputs: ["scores"]),
    ]
    graph.inputs = ["image"]
    graph.outputs = ["scores"]
    graph.recipe = recipe
    return graph
  }

  static func image(_ name: String) -> String { Samples.folder("Images").appending(path: name).path }

  // MARK: Images

  /// One line of --json.
  struct Line: Decodable {
    struct Class: Decodable, Equatable {
      var label: String?
      var index: Int
      var probability: Double?
      var score: Double?
    }
    var file: String
    var classes: [Class]?
    var time_ms: Double?
    var error: String?
  }

  func lines(_ output: String) throws -> [Line] {
    try output.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
  }

  @Test(arguments: [[], ["--threads", "2"], ["--isa=baseline"]])
  func classes(options: [String]) throws {
    let pixels = try DecodedImage(Samples.data("Images", "grey8.png"))
    let exponentials = pixels.bytes.map { exp(Double($0) / 255) }
    let sum = exponentials.reduce(0, +)
    let expected = pixels.bytes.indices.sorted { (pixels.bytes[$1], $0) < (pixels.bytes[$0], $1) }.prefix(7)
    try withBundle(Self.pixelSoftmax()) { _, model in
      let result = try infer.run(
        ["--model", model.path, "--json", "--top", "7"] + options + [Self.image("grey8.png")])
      #expect(result.exitCode == 0 && result.error.isEmpty)
      let line = try #require(try lines(result.output).first)
      #expect(line.file == Self.image("grey8.png") && line.time_ms! > 0)
      let classes = try #require(line.classes)
      #expect(classes.map(\.index) == Array(expected))
      for found in classes {
        #expect(found.label == "pixel \"\(found.index)\"")
        #expect(abs(found.probability! - exponentials[found.index] / sum) < 1e-6)
      }
    }
  }

  @Test func textOutput() throws {
    try withBundle(Self.pixelSoftmax()) { _, model in
      let result = try infer.run(["-m", model.path, "--top=2", "--time", Self.image("grey8.png")])
      #expect(result.exitCode == 0)
      let lines = result.output.split(separator: "\n")
      try #require(lines.count == 4)
      #expect(lines[0].hasPrefix(model.path + ": opened in "))
      #expect(lines[1].hasPrefix(Self.image("grey8.png") + ": ") && lines[1].hasSuffix(" ms"))
      #expect(lines[2].wholeMatch(of: /\s+\d+\.\d\d %  pixel "\d+"/) != nil)
    }
  }

  /// More classes are asked for than there are; the network does not end in a softmax; there are no labels.
  @Test func scoresOfOtherNetworks() throws {
    var graph = Self.relu()
    graph.recipe = nil
    try withBundle(graph) { folder, model in
      let input = folder.appending(path: "x.npy")
      try npy((0..<30).map { Float($0) }, shape: [1, 2, 3, 5]).write(to: input)
      let result = try infer.run(["--model", model.path, "--json", "--top", "100", "--npy", input.path])
      let classes = try #require(try lines(result.output).first?.classes)
      #expect(classes.map(\.index) == (0..<30).reversed())
      #expect(classes.allSatisfy { $0.score == Double($0.index) && $0.probability == nil && $0.label == nil })
    }
  }

  /// Broken files of many kinds between whole ones: a line each on standard error and in JSON, all in order.
  @Test func otherImagesAreStillDone() throws {
    try withBundle(Self.pixelSoftmax()) { folder, model in
      let whole = try Samples.data("Images", "rgb8.png")
      var bomb = PNGFile(whole)
      bomb.chunks[0] = PNGFile.header(width: 900_000, height: 900_000, colourType: .rgb)
      try whole.prefix(whole.count / 2).write(to: folder.appending(path: "half.png"))
      try bomb.data.write(to: folder.appending(path: "bomb.png"))
      try Samples.data("Images", "rgb.jpg").dropLast(9).write(to: folder.appending(path: "cut.jpg"))
      try Data().write(to: folder.appending(path: "empty.png"))
      try Data("hello".utf8).write(to: folder.appending(path: "text.png"))
      let broken = [
        ("missing.png", "cannot be opened: No such file or directory"), ("half.png", "is a damaged PNG ("),
        (".", "is a directory; name the files in it"), ("cut.jpg", "is a damaged or unsupported JPEG ("),
        ("empty.png", "is empty"), ("text.png", "is neither a PNG nor a JPEG; convert it to one of them"),
        (
          "bomb.png", "is an image of 900000 x 900000 pixels, more than the 100000000 that are allowed; make it smaller"
        ),
      ]
      let images = broken.flatMap { [Self.image("rgb8.png"), $0.0] } + [Self.image("rgb.jpg")]
      for options in [["--json"], []] {
        let result = try infer.run(["--model", model.path, "--top=1"] + options + images, in: folder)
        #expect(result.exitCode == 1 && !result.crashed)
        let errors = result.error.split(separator: "\n")
        try #require(errors.count == broken.count)
        for (error, (name, message)) in zip(errors, broken) {
          #expect(error.hasPrefix("cnn-infer: \(name): \(message)"))
        }
        if options.isEmpty {
          #expect(result.output.split(separator: "\n").count == 2 * (broken.count + 1))
        } else {
          let lines = try lines(result.output)
          #expect(lines.map(\.file) == images)
          for (index, line) in lines.enumerated() {
            #expect((line.classes != nil) == (index % 2 == 0) && (line.error != nil) == (index % 2 == 1))
          }
          for (error, line) in zip(errors, lines.filter { $0.error != nil }) {
            #expect(error == "cnn-infer: \(line.file): \(line.error!)")
          }
        }
      }
    }
  }

  @Test func standardInput() throws {
    try withBundle(Self.pixelSoftmax()) { folder, model in
      for name in ["grey8.png", "rgb-progressive.jpg"] {
        let input = try Samples.data("Images", name)
        let images = [Self.image("rgb8.png"), "-", Self.image(name)]
        let result = try infer.run(["--model", model.path, "--json", "--top", "91"] + images, input: input)
        #expect(result.exitCode == 0 && result.error.isEmpty)
        let lines = try lines(result.output)
        #expect(lines.map(\.file) == images)
        #expect(lines[1].classes == lines[2].classes && lines[1].classes != lines[0].classes)
        #expect(lines[1].classes?.count == 91)
      }
      // A pipe, in pieces.
      let piped = try infer.run(
        ["-m", model.path, "--top=1", "-"], input: Samples.data("Images", "grey8.png"),
        shell: "{ head -c 70; sleep 0.1; cat; } | \"$0\" \"$@\"")
      #expect(piped.exitCode == 0 && piped.error.isEmpty && piped.output.hasPrefix("-\n"))
      let endless = try infer.run(["-m", model.path, "-"], shell: "exec \"$0\" \"$@\" </dev/zero")
      #expect(endless.exitCode == 1 && endless.error == "cnn-infer: -: is larger than the 512 MB that are allowed\n")
      let broken = try infer.run(["-m", model.path, "-", Self.image("grey8.png")], input: Data("hello".utf8))
      #expect(broken.exitCode == 1 && broken.output.hasPrefix(Self.image("grey8.png")))
      #expect(broken.error == "cnn-infer: -: is neither a PNG nor a JPEG; convert it to one of them\n")
      let empty = try infer.run(["-m", model.path, "-"])
      #expect(empty.exitCode == 1 && empty.error == "cnn-infer: -: is empty\n")
      // A file of that name.
      try FileManager.default.copyItem(atPath: Self.image("grey8.png"), toPath: folder.appending(path: "-").path)
      #expect(try infer.run(["-m", model.path, "./-"], in: folder).exitCode == 0)
    }
    try withBundle(Self.relu()) { _, model in
      let x = npy((0..<30).map { Float($0) }, shape: [1, 2, 3, 5])
      let result = try infer.run(["--model", model.path, "--json", "--top=1", "--npy", "-"], input: x)
      #expect(try lines(result.output).first?.classes?.first?.index == 29)
    }
  }

  static let recipes: [(name: String, Recipe)] = [
    ("stretched grey", Recipe(width: 13, height: 7, channelOrder: .grey, mean: [0], deviation: [1])),
    (
      "cropped grey",
      Recipe(width: 9, height: 5, channelOrder: .grey, resize: .crop(shorter: 11), mean: [0], deviation: [1])
    ),
    (
      "cropped RGB",
      Recipe(
        width: 8, height: 8, channelOrder: .rgb, resize: .crop(shorter: 8), mean: [0, 0, 0], deviation: [1, 1, 1])
    ),
    (
      "letterboxed BGR",
      Recipe(
        width: 12, height: 12, channelOrder: .bgr, resize: .letterbox(fill: [1, 2, 3]), mean: [0, 0, 0],
        deviation: [1, 1, 1])
    ),
  ]

  /// A turned JPEG and a PNG of its upright pixels give the same scores, whatever the recipe does with them; and so do transparent
  /// pixels and the same over black.
  @Test(arguments: recipes)
  func sameScoresForSamePixels(name: String, recipe: Recipe) throws {
    try withBundle(Self.pixels(recipe)) { folder, model in
      var images: [String] = []
      func add(_ data: Data) throws {
        images.append("image\(images.count)")
        try data.write(to: folder.appending(path: images.last!))
      }
      for sample in ["restart-420.jpg", "grey-odd.jpg", "ycck.jpg", "one-row.jpg"] {
        let file = JPEGFile(try Samples.data("JPEG", sample))
        let plain = try DecodedImage(file.data)
        for orientation in 1...8 {
          try add(
            file.with(JPEGFile.exifMarker, Exif(orientation: orientation, bigEndian: orientation % 2 == 0).bytes).data)
          try add(PNGFile(plain.turned(orientation)).data)
        }
      }
      for sample in ["rgba16-interlaced.png", "greyalpha8.png", "palette8-alpha.png", "rgb8-transparent.png"] {
        let data = try Samples.data("Images", sample)
        let image = try DecodedImage(data)
        let colours = image.channels - 1
        try add(data)
        try add(
          PNGFile(
            DecodedImage(width: image.width, height: image.height, channels: colours) { x, y, c in
              (image[x, y, c] * image[x, y, colours] * 2 + 255) / 510
            }
          ).data)
      }
      let result = try infer.run(["--model", model.path, "--json", "--top", "1000"] + images, in: folder)
      #expect(result.exitCode == 0 && result.error.isEmpty)
      let lines = try lines(result.output)
      try #require(lines.count == images.count)
      for index in stride(from: 0, to: lines.count, by: 2) {
        #expect(lines[index].classes == lines[index + 1].classes, "\(images[index])")
        #expect(lines[index].classes?.count == recipe.channels * recipe.width * recipe.height)
      }
      // Not all the same for another reason.
      #expect(Set(lines.map { $0.classes!.map { [Double($0.index), $0.score!] } }).count > 20)
    }
  }

  @Test func modelIsFound() throws {
    try withBundle(Self.pixelSoftmax()) { folder, model in
      let image = Self.image("grey8.png")
      #expect(try infer.run([image], in: folder).exitCode == 0)
      #expect(try infer.run([image], environment: ["CNN_MODEL": model.path]).exitCode == 0)
      let missing = try infer.run([image], in: folder, environment: ["CNN_MODEL": "no.cnn"])
      #expect(missing.exitCode == 1 && missing.error.hasPrefix("cnn-infer: no.cnn: "))
      #expect(
        try infer.run(["--model", model.path, image], in: folder, environment: ["CNN_MODEL": "no.cnn"]).exitCode == 0)
      // A file name that begins with a hyphen.
      try FileManager.default.copyItem(atPath: image, toPath: folder.appending(path: "-x.png").path)
      #expect(try infer.run(["--", "-x.png"], in: folder).exitCode == 0)
    }
  }

  @Test func helpAndVersion() throws {
    let help = try infer.run(["--help"])
    #expect(help.exitCode == 0 && help.error.isEmpty)
    let flags = [
      "--model", "--top", "--json", "--time", "--threads", "--isa", "--npy", "--save-npy", "--self-test", "--version",
    ]
    for flag in flags { #expect(help.output.contains(flag + " "), "\(flag)") }
    #expect(try infer.run(["--version"]).output.wholeMatch(of: /cnn-infer \d+\.\d+\.\d+\n/) != nil)
  }

  // MARK: Mistakes

  @Test(arguments: [
    ([], "IMAGE is missing"), (["--top", "0", "a.png"], "--top needs a number"),
    (["--top", "many", "a.png"], "--top needs"),
    (["--top=", "a.png"], "--top= needs"), (["--top"], "--top needs a value"),
    (["--top=99999999999999999999", "a.png"], "needs a number"),
    (["--threads", "65", "a.png"], "--threads needs a number"),
    (["--threads=-1", "a.png"], "needs a number"), (["--jsn", "a.png"], "--jsn is not an option"),
    (["--json=yes", "a.png"], "--json=yes takes no value"), (["-x", "a.png"], "-x is not an option"),
    (["--save-npy", "y.npy", "a.png"], "--save-npy needs --npy"),
    (["--npy", "x.npy", "a.png"], "a.png is an image beside"),
    (["--model"], "--model needs a value"), (["-", "a.png", "-"], "- is there twice"),
  ])
  func usage(arguments: [String], message: String) throws {
    let result = try infer.run(arguments)
    #expect(result.exitCode == 2 && !result.crashed && result.output.isEmpty)
    #expect(result.error.contains(message) && result.error.hasSuffix("; see cnn-infer --help\n"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }

  func expectFailure(_ arguments: [String], _ message: String, in folder: URL? = nil) throws {
    let result = try infer.run(arguments, in: folder)
    #expect(result.exitCode == 1 && !result.crashed, "\(arguments): \(result)")
    #expect(result.error.hasPrefix("cnn-infer: ") && result.error.contains(message), "\(arguments): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
  }

  @Test func badImages() throws {
    try withBundle(Self.pixelSoftmax()) { folder, model in
      let whole = try Data(contentsOf: URL(fileURLWithPath: Self.image("rgb8.png")))
      try whole.prefix(whole.count / 2).write(to: folder.appending(path: "half.png"))
      try Data("hello".utf8).write(to: folder.appending(path: "text.png"))
      try Data().write(to: folder.appending(path: "empty.png"))
      for (image, message) in [
        ("missing.png", "cannot be opened: No such file"), (".", "is a directory"), ("half.png", "is a damaged PNG"),
        ("text.png", "is neither a PNG nor a JPEG"), ("empty.png", "is empty"),
      ] {
        try expectFailure(["--model", model.path, image], "\(image): \(message)", in: folder)
      }
    }
  }

  @Test func badModels() throws {
    try withBundle(Self.pixelSoftmax()) { folder, model in
      let image = Self.image("grey8.png")
      try expectFailure(["--model", "missing.cnn", image], "missing.cnn", in: folder)
      try expectFailure(["--model", ".", image], ".: ", in: folder)
      try expectFailure(["--model", image, image], image)
      try expectFailure(["--isa", "mmx", image], "mmx", in: folder)
      try expectFailure(["--self-test"], "model.cnn: ", in: folder)  // it has none
      let whole = try Data(contentsOf: model)
      try whole.prefix(whole.count - 1).write(to: folder.appending(path: "cut.cnn"))
      try expectFailure(["--model", "cut.cnn", image], "cut.cnn", in: folder)
      // Whatever byte is wrong: no crash. Most are noticed; some (reserved for later) need not be.
      var damaged = whole
      for index in stride(from: 0, to: whole.count, by: 11) {
        damaged[index] ^= 0xFF
        try damaged.write(to: folder.appending(path: "damaged.cnn"))
        let result = try infer.run(["--model", "damaged.cnn", image], in: folder)
        #expect(!result.crashed && [0, 1].contains(result.exitCode), "byte \(index)")
        damaged[index] ^= 0xFF
      }
    }
  }

  @Test func imageForNetworkWithoutRecipe() throws {
    try withBundle(Self.relu()) { _, model in
      try expectFailure(["--model", model.path, Self.image("grey8.png")], "recipe")
    }
  }

  // MARK: Self-test

  @Test func selfTest() throws {
    try withBundle(Self.relu()) { _, model in
      let result = try infer.run(["--model", model.path, "--self-test"])
      #expect(result.exitCode == 0 && result.output.contains("self-test passed"))
    }
    var wrong = Self.relu()
    wrong.selfTest!.outputs = [.float32([Float](repeating: 1, count: 30))]
    try withBundle(wrong) { _, model in try expectFailure(["--model", model.path, "--self-test"], model.path) }
  }

  // MARK: Arrays

  /// A .npy file as NumPy writes it, or with another version or header.
  func npy(_ values: [Float], shape: [Int], version: UInt8 = 1, header: String? = nil) -> Data {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let header = header ?? "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }          \n"
    var data = Data([0x93]) + Data("NUMPY".utf8) + Data([version, 0])
    let count = UInt32(header.utf8.count)
    data += withUnsafeBytes(of: count.littleEndian) { Data($0.prefix(version == 1 ? 2 : 4)) }
    return data + Data(header.utf8) + values.withUnsafeBytes { Data($0) }
  }

  /// The values at the end of a .npy file, behind its header.
  func values(_ data: Data, count: Int) -> [Float] {
    data.suffix(count * 4).withUnsafeBytes { bytes in
      (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
  }

  @Test(arguments: [1, 2, 3] as [UInt8], [1, 4])
  func arrayRoundTrip(version: UInt8, images: Int) throws {
    try withBundle(Self.relu()) { folder, model in
      let x = (0..<(30 * images)).map { Float($0 % 17) * 1.37 - 9 }
      try npy(x, shape: [images, 2, 3, 5], version: version).write(to: folder.appending(path: "x.npy"))
      let arguments = ["--npy", "x.npy", "--save-npy", "y.npy"]
      let result = try infer.run(arguments, in: folder)
      #expect(result.exitCode == 0, "\(result.error)")
      let saved = try Data(contentsOf: folder.appending(path: "y.npy"))
      #expect(values(saved, count: x.count) == x.map { max($0, 0) })
      let header = String(decoding: saved.dropFirst(10).dropLast(x.count * 4), as: UTF8.self)
      #expect(header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (\(images), 2, 3, 5"))
      #expect((saved.count - x.count * 4) % 64 == 0 && header.hasSuffix("\n"))
      // What it writes, it reads.
      let again = try infer.run(["--npy", "y.npy", "--save-npy", "z.npy"], in: folder)
      #expect(again.exitCode == 0)
      #expect(try Data(contentsOf: folder.appending(path: "z.npy")) == saved)
    }
  }

  @Test func badArrays() throws {
    try withBundle(Self.relu()) { folder, model in
      func expect(_ data: Data, _ message: String) throws {
        try data.write(to: folder.appending(path: "x.npy"))
        try expectFailure(["--npy", "x.npy"], "x.npy: \(message)", in: folder)
      }
      let x = [Float](repeating: 1, count: 30)
      func header(_ text: String) -> Data { npy(x, shape: [], header: text) }
      try expectFailure(["--npy", "missing.npy"], "cannot be opened", in: folder)
      try expect(Data("hello, world, hello".utf8), "is not a .npy file")
      try expect(npy(x, shape: [1, 2, 3, 5], version: 4), "is a .npy file of an unknown version")
      try expect(npy(x, shape: [1, 2, 5, 3]), "has the shape [1, 2, 5, 3], but the network takes [1, 2, 3, 5]")
      try expect(npy(x, shape: [30]), "has the shape [30]")
      try expect(npy(x, shape: []).dropLast(29 * 4), "has the shape []")
      try expect(npy(x + x, shape: [1, 2, 3, 5]), "is a .npy file with more data than its shape says")
      try expect(npy(x.dropLast(), shape: [1, 2, 3, 5]), "is a .npy file that ends early")
      try expect(header("{'descr': '<f8', 'fortran_order': False, 'shape': (15,)}"), "is not of type float32")
      try expect(header("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 3, 5)}"), "is not in C order")
      try expect(header("{'descr': '<f4', 'shape': (1, 2, 3, 5)}"), "is a .npy file with a damaged header")
      try expect(
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999, 9999999, 9999999, 1)}"),
        "is a .npy file with a shape too large")
      try expect(
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"),
        "is a .npy file with a shape too large")
      try expect(header("{'descr': '<f4"), "is a .npy file with a damaged header")
      let whole = npy(x, shape: [1, 2, 3, 5])
      for count in stride(from: 0, to: whole.count, by: 7) { try expect(whole.prefix(count), "is") }
      try whole.write(to: folder.appending(path: "x.npy"))
      try expectFailure(["--npy", "x.npy", "--save-npy", "no/y.npy"], "no/y.npy: cannot be created", in: folder)
    }
  }
}
