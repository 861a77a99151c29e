import Bundle
import CKernels

/// Prepares the calls of single operators on tensors that lie where the caller says: for training, which keeps every tensor
/// and takes one image at a time. Tensors and operators' copies are spoken of by slots: first the tensors.
public struct OperatorCalls {
  private let network: UnsafePointer<Network>

  public static func slotCount(_ model: Model) -> Int { StoragePlan.count(model) }
  /// The slot of an operator's copy of operand 0 or 1, in another layout.
  public static func copySlot(_ model: Model, _ i: Int, _ operand: Int) -> Int {
    StoragePlan.copySlot(model, i, operand)
  }
  /// Of a plain copy between two moves.
  public static func temporarySlot(_ model: Model, _ i: Int) -> Int { StoragePlan.temporarySlot(model, i) }

  /// Takes the memory for its list of slots; nil where the arena only counts.
  public init?(_ network: UnsafePointer<Network>, _ arena: inout Arena) {
    let count = StoragePlan.count(network.pointee.model)
    let own = arena.take(Network.self, 1), storage = arena.take(Storage.self, count)
    guard let own, let storage else { return nil }
    storage.initialize(from: network.pointee.storage!, count: count)
    own.initialize(to: network.pointee)
    own.pointee.storage = storage
    for slot in 0..<count {
      storage[slot].layout = network.pointee.layout(slot)
      storage[slot].root = slot
    }
    self.network = UnsafePointer(own)
  }

  public var model: Model { network.pointee.model }
  public func layout(_ slot: Int) -> Layout { network.pointee.layout(slot) }
  /// Whether an operator needs a copy or temporary.
  public func isUsed(_ slot: Int) -> Bool { network.pointee.storage![slot].last >= 0 }

  /// Where the first image of a slot begins, halo included: bytes from the beginning of the arena.
  public func place(_ slot: Int, at start: Int, halo: Int) {
    (network.pointee.storage! + slot).pointee.offset = start
    (network.pointee.storage! + slot).pointee.halo = halo
  }

  /// The calls of an operator, those that copy its operands first. nil where the arena only counts.
  public func prepare(_ i: Int, _ arena: inout Arena) throws(Failure) -> (
    calls: UnsafeMutablePointer<Call>?, count: Int
  ) {
    try SessionBuilder.prepare(network, i, &arena)
  }
}
