import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform

/// An open model (`cnnrt_model`): the checked bundle, the kernels that run it, and where its tensors will lie. Immutable, shared by
/// threads.
public struct Network {
  public var model = Model()
  public private(set) var isa = InstructionSet.baseline
  public private(set) var kernels = cnn_kernels()
  public private(set) var limits = Limits(memory: 0, work: 0)
  private var memory: UnsafeMutableRawPointer?
  private var placedBytes = 0
  var storage: UnsafeMutablePointer<Storage>?
  private var order: UnsafeMutablePointer<UInt32>?
  /// Of all activations, one image.
  var imageBytes = 0

  public init() {}

  /// Loads the model, whose source is open. On failure, `close` frees what there is.
  public mutating func load(_ isa: InstructionSet, _ limits: Limits) throws(Failure) {
    self.isa = isa
    self.limits = limits
    kernels = isa.kernels
    try model.load(limits: limits)
    var counter = Arena(nil)
    place(&counter)
    memory = try allocateMemory(counter.used, limit: limits.memory - model.memoryBytes)
    var arena = Arena(memory)
    place(&arena)
    placedBytes = arena.used
    imageBytes = try StoragePlan(model: model, storage: storage!, order: order!).make()
  }

  private mutating func place(_ arena: inout Arena) {
    _ = arena.take(Network.self, 1)
    storage = arena.take(Storage.self, model.tensorCount + model.operatorCount)
    order = arena.take(UInt32.self, model.tensorCount + model.operatorCount)
  }

  /// The network in memory of its own, freed by `close`.
  public func boxed() -> UnsafeMutablePointer<Network> {
    let box = memory!.assumingMemoryBound(to: Network.self)
    box.initialize(to: self)
    return box
  }

  public mutating func close() {
    model.close()
    cp_free(memory)
    memory = nil
  }

  public var memoryBytes: Int { model.memoryBytes + placedBytes }

  /// The prepared calls of an operator: none for a Flatten that has nothing to do, two for a convolution of a copy.
  func callCount(_ i: Int) -> Int {
    if hasCopy(i) { return 2 }
    let works = Int(model.operation(i).kind) != CNNB_OP_FLATTEN || storage![model.output(i)].root == model.output(i)
    return works ? 1 : 0
  }

  /// Whether a convolution reads a copy of its input in another layout.
  func hasCopy(_ i: Int) -> Bool { storage![model.tensorCount + i].bytes > 0 }
}
