import Foundation
import FoundationXML
import Testing

import CNNSupport

struct SupportTests {
  /// A folder that is removed at the end.
  func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  @Test func atomicFilesReplaceAndLeaveNothingBehind() throws {
    try withFolder { folder in
      let path = folder + "/model.cnn"
      for bytes in [[1, 2, 3], [], [UInt8](repeating: 7, count: 3_000_000)] as [[UInt8]] {
        try AtomicFile.write(bytes, to: path)
        #expect(try readFile(path) == bytes)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.cnn"])
      #expect(chmod(path, 0o640) == 0)
      try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "model.cnn")
      try AtomicFile.write("through the link", to: folder + "/link")
      #expect(try readFile(path) == Array("through the link".utf8))
      var status = stat()
      #expect(lstat(folder + "/link", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640)
    }
  }

  @Test func fileErrorsSayPathAndReason() throws {
    try withFolder { folder in
      #expect { try AtomicFile.write("x", to: folder + "/none/file") } throws: { error in
        "\(error)".contains(folder + "/none/file: ") && "\(error)".contains("No such file or directory")
      }
      #expect { try AtomicFile.write("x", to: folder) } throws: { "\($0)".contains("is a directory") }
      #expect { try readFile(folder + "/none") } throws: {
        "\($0)".contains("none: cannot open the file: No such file")
      }
    }
    try AtomicFile.write("x", to: "/dev/null")
    #expect { try AtomicFile.write("x", to: "/dev/full") } throws: { "\($0)".contains("No space left on device") }
  }

  @Test func zlibInflatesExactlyWhatWasDeflated() {
    var random = Random(seed: 1)
    for size in [0, 1, 100, 70_000] {
      let bytes = (0..<size).map { _ in UInt8(random.below(7)) }
      let stream = Zlib.deflate(bytes)
      #expect(Zlib.inflate(stream[...], rawBytes: size) == bytes)
      #expect(Zlib.inflate(stream[...], rawBytes: size + 1) == nil)
      if size > 0 { #expect(Zlib.inflate(stream[...], rawBytes: size - 1) == nil) }
      #expect(Zlib.inflate((stream + [0])[...], rawBytes: size) == nil)
      #expect(Zlib.inflate(stream.dropLast(), rawBytes: size) == nil)
    }
    // The check value that every description of CRC-32 states.
    #expect(Zlib.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
  }

  @Test func randomIsXoshiro256StarStar() {
    // From the state (1, 2, 3, 4): the vector that other implementations test against.
    var random = Random(state: [1, 2, 3, 4])!
    #expect([random.next(), random.next(), random.next()] == [11520, 0, 1_509_978_240])
    // The first outputs of SplitMix64 from 1234567, as published with it.
    #expect(
      Random(seed: 1_234_567).state == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
      ])
    #expect(Random(state: [0, 0, 0, 0]) == nil && Random(state: [1]) == nil)
    var copy = Random(state: random.state)!
    #expect(copy.next() == random.next())
  }

  @Test func randomNumbersAreUniform() {
    var random = Random(seed: 9)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.below(7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    let values = (0..<10_000).map { _ in random.uniform() }
    #expect(values.allSatisfy { (0..<1).contains($0) } && abs(values.reduce(0, +) / 10_000 - 0.5) < 0.02)
    #expect(random.permutation(100).sorted() == Array(0..<100))
    #expect(random.permutation(100) != random.permutation(100))
    #expect(random.permutation(0).isEmpty && random.permutation(1) == [0])
  }

  @Test func jsonKeepsOrderAndEscapes() throws {
    let report: JSON = [
      "z": 1, "a": [1.5, nil, true], "text": "a\"b\\c\n\u{1}é", "layers": [["name": "conv1", "sqnr_db": 41.5]],
      "infinite": .number(.infinity), "tenth": .float(0.1), "none": [],
    ]
    #expect(
      report.line == #"""
        {"z": 1, "a": [1.5, null, true], "text": "a\"b\\c\n\u0001é", "layers": [{"name": "conv1", "sqnr_db": 41.5}], "infinite": null, "tenth": 0.1, "none": []}
        """#)
    let parsed = try JSONSerialization.jsonObject(with: Data(report.text.utf8)) as? [String: Any]
    #expect(parsed?["text"] as? String == "a\"b\\c\n\u{1}é")
    #expect(report.text.hasPrefix("{\n  \"z\": 1,\n  \"a\": [1.5, null, true],"))
  }

  @Test func progressDrawsABarOnTerminalsAndLinesElsewhere() {
    var time = 100.0
    var output = ""
    let bar = Progress("epoch 1/2", total: 1000, isTerminal: true, write: { output += $0 }, now: { time })
    bar.update(10, [("loss", "2.3")])
    #expect(output.isEmpty)
    time += 4
    bar.update(250, [("loss", "2.0")])
    #expect(output == "\repoch 1/2 █████                 25 %  62 images/s  loss 2.0  0:12 left\u{1B}[K")
    output = ""
    time += 12
    bar.finish([("loss", "1.0")])
    #expect(output == "\repoch 1/2  62 images/s  loss 1.0  0:16\u{1B}[K\n")

    output = ""
    let lines = Progress("test", total: 100, isTerminal: false, write: { output += $0 }, now: { time })
    for done in 1...100 {
      time += 1
      lines.update(done)
    }
    lines.finish()
    #expect(output.split(separator: "\n").count == 11 && !output.contains("\u{1B}") && !output.contains("\r"))
    #expect(Progress.clock(3725) == "1:02:05" && Progress.clock(.infinity) == "–:––")
  }

  @Test func chartsAreXMLWithTheirCurves() throws {
    let curves = [
      LineChart.Series("train <loss>", [(1, 2.5), (2, .nan), (3, 1.25)]),
      LineChart.Series("validation", [(1, 2), (3, 1)]),
    ]
    let svg = LineChart("Loss & more", x: "epoch", y: "cross-entropy", curves).svg
    let parser = XMLParser(data: Data(svg.utf8))
    let counter = ElementCounter()
    parser.delegate = counter
    #expect(parser.parse())
    #expect(counter.classes["curve c0"] == 2 && counter.classes["curve c1"] == 2 && counter.classes["dot c0"] == 2)
    #expect(svg.contains("train &lt;loss>") && svg.contains("prefers-color-scheme: dark"))
    // The point that is not a number breaks the line in two.
    #expect(svg.contains(/class="curve c0" d="M[^"L]*M[^"L]*"/))
    for points in [[], [(5.0, 5.0)], [(0, 0), (1, 0)], [(0, 1e-9), (1, 1e9)]] {
      let text = LineChart("t", x: "x", y: "y", [.init("s", points)]).svg
      #expect(!text.contains("nan") && !text.contains("inf"))
    }
  }

  final class ElementCounter: NSObject, XMLParserDelegate {
    var classes: [String: Int] = [:]

    func parser(
      _: XMLParser, didStartElement _: String, namespaceURI _: String?, qualifiedName _: String?,
      attributes: [String: String]
    ) { classes[attributes["class"] ?? "", default: 0] += 1 }
  }
}
