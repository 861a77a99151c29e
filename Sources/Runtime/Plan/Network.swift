import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform

/// An open model (`cnnrt_model`): the checked bundle, the kernels that run it, and where its tensors will lie. Immutable, shared by
/// threads.
public struct Network {
  /// First, so that its address is the network's.
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
    storage = arena.take(Storage.self, StoragePlan.count(model))
    order = arena.take(UInt32.self, StoragePlan.count(model))
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
}

extension UnsafePointer<Network> {
  /// The model, which is the first thing in a network.
  var model: UnsafePointer<Model> { UnsafeRawPointer(self).assumingMemoryBound(to: Model.self) }
}
