import CNNModel

/// A rewrite of a graph into one that computes the same with less. Small and independent, so that each is tested by
/// itself; what one makes possible the next one does.
public struct Pass: Sendable {
  public let name: String
  /// Changes the graph and says in how many places.
  public let rewrite: @Sendable (inout Graph) -> Int

  package init(_ name: String, _ rewrite: @escaping @Sendable (inout Graph) -> Int) {
    self.name = name
    self.rewrite = rewrite
  }

  /// What is done with a network that comes from elsewhere, in this order: its form becomes that of our own. No
  /// operator changes sides with a QuantizeLinear or DequantizeLinear.
  public static let forImport: [Pass] = [
    .removeIdentities, .mergeDuplicates, .matMulToGemm, .cancelTransposes, .recogniseGlobalPools, .cancelReshapes,
    .recogniseActivations, .foldPadding, .mergeConcats, .removeUnused,
  ]

  /// What every export does, in this order.
  public static let forInference: [Pass] =
    forImport.dropLast() + [
      .foldBatchNormalization, .foldScale, .fuseActivation, .flattenedGemmToConv, .removeUnused,
    ]

  /// Operators whose results nobody reads, tensors that nobody names.
  public static let removeUnused = Pass("remove-unused") { graph in
    let before = graph.operators.count
    graph.removeUnused()
    return before - graph.operators.count
  }

  /// Tries a rule at each operator, again and again until it holds nowhere.
  package static func everywhere(
    _ name: String, _ rule: @escaping @Sendable (inout GraphEditor, Int) -> Bool
  ) -> Pass {
    Pass(name) { graph in
      var editor = GraphEditor(graph)
      let count = editor.apply(rule)
      if count > 0 { graph = editor.graph }
      return count
    }
  }
}

/// What a pass did to a graph.
public struct PassReport: Equatable, Sendable {
  public var pass: String
  public var rewrites: Int
  /// Operators.
  public var before, after: Int

  public init(pass: String, rewrites: Int, before: Int, after: Int) {
    (self.pass, self.rewrites, self.before, self.after) = (pass, rewrites, before, after)
  }
}

extension GraphEditor {
  /// Tries a rule at each operator, in their order, until it holds nowhere.
  /// - Returns: how often it held.
  package mutating func apply(_ rule: (inout GraphEditor, Int) -> Bool) -> Int {
    var count = 0
    var before: Int
    repeat {
      before = count
      var index = first
      while let number = index {
        while contains(number), rule(&self, number) { count += 1 }
        index = next(after: number)
      }
    } while count > before
    return count
  }
}

extension Graph {
  /// Runs passes one after the other and says what each did.
  @discardableResult
  public mutating func run(_ passes: [Pass]) -> [PassReport] {
    passes.map { pass in
      let before = operators.count
      let rewrites = pass.rewrite(&self)
      return PassReport(pass: pass.name, rewrites: rewrites, before: before, after: operators.count)
    }
  }
}
