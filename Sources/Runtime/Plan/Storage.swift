import Bundle
import CBundle
import CCNNRT
import CKernels

/// Where one image of a tensor lies in a session's memory. A batch of n has n of them side by side, and everything lies n
/// times as far from the beginning: the plan is made once per model, for any batch.
struct Storage {
  var layout = Layout.blocks
  /// What the operators that read it ask for.
  var wantsBlocks = false
  var wantsPlain = false
  /// Something of another rank lies in it too, which knows no halo.
  var isFlat = false
  /// Pixels on each side: as far as the convolutions that read it reach.
  var halo = 0
  /// The tensor whose memory this one lies in; itself, unless an operator works in place.
  var root = 0
  /// The operators between which the memory is in use. Inputs are in use always, outputs to the end.
  var first = Int.max
  var last = -1
  /// A multiple of 64; 0 if nothing is stored.
  var bytes = 0
  /// From an image to the next: all of them, but without a gap where the layout is plain.
  var image = 0
  var offset = 0
}

/// Chooses layout, halo and place for every tensor, and for the copies in another layout that operators need.
///
/// The arena is planned by lifetime: the largest tensor first, each at the lowest place that is free while it lives.
struct StoragePlan {
  let model: Model
  /// Of the tensors, then `slots` of each operator: `copySlot`, `temporarySlot`.
  let storage: UnsafeMutablePointer<Storage>
  /// As many, for sorting.
  let order: UnsafeMutablePointer<UInt32>

  static let slots = 3
  static func count(_ model: Model) -> Int { model.tensorCount + slots * model.operatorCount }
  /// An operator's copy of operand 0 or 1.
  static func copySlot(_ model: Model, _ i: Int, _ operand: Int) -> Int { model.tensorCount + slots * i + operand }
  static func temporarySlot(_ model: Model, _ i: Int) -> Int { copySlot(model, i, 2) }

  private var count: Int { Self.count(model) }

  /// Kernels take distances inside an image as Int32.
  static let imageLimit = Int(Int32.max) - 4096

  /// Returns the bytes of one image of everything.
  func make() throws(Failure) -> Int {
    for t in 0..<count {
      storage[t] = Storage()
      storage[t].root = t
    }
    chooseLayouts()
    chooseLifetimes()
    for i in 0..<model.operatorCount { chooseCopies(i) }
    shareMemory()
    for t in 0..<count where storage[t].last >= 0 && storage[t].root == t { try measure(t) }
    return place()
  }

  // MARK: - Lifetime, halo

  private func chooseLifetimes() {
    for k in 0..<model.inputCount {
      storage[model.networkInput(k)].first = -1
      storage[model.networkInput(k)].last = Int.max
    }
    for i in 0..<model.operatorCount {
      let y = model.output(i)
      storage[y].first = i
      storage[y].last = max(storage[y].last, i)
      for k in 0..<Int(model.operation(i).input_count) {
        guard let x = model.input(i, k), model.isActivation(x) else { continue }
        storage[x].last = max(storage[x].last, i)
      }
    }
    for k in 0..<model.outputCount { storage[model.networkOutput(k)].last = Int.max }
  }

  private func chooseCopies(_ i: Int) {
    for k in 0..<2 {
      guard let layout = copyLayout(i, k) else { continue }
      use(Self.copySlot(model, i, k), i, layout)
    }
    if needsTemporary(i) { use(Self.temporarySlot(model, i), i, .plain) }
    let kind = Int(model.operation(i).kind)
    guard kind == CNNB_OP_CONV || kind == CNNB_OP_CONV_TRANSPOSE else { return }
    let copy = Self.copySlot(model, i, 0)
    let read = storage[copy].last >= 0 ? copy : model.input(i, 0)!
    let w = model.operation(i).window
    let reach =
      kind == CNNB_OP_CONV
      ? Int(max(max(w.pad_top, w.pad_bottom), max(w.pad_left, w.pad_right)))
      : max(TransposedAxis.vertical(model, i).reach, TransposedAxis.horizontal(model, i).reach)
    storage[read].halo = max(storage[read].halo, reach)
  }

  private func use(_ slot: Int, _ i: Int, _ layout: Layout) {
    storage[slot].layout = layout
    (storage[slot].first, storage[slot].last) = (i, i)
  }

  // MARK: - In place

  private func shareMemory() {
    for i in 0..<model.operatorCount {
      let y = model.output(i)
      switch Int(model.operation(i).kind) {
      case CNNB_OP_FLATTEN, CNNB_OP_RESHAPE, CNNB_OP_DROPOUT:
        let x = model.input(i, 0)!
        if hasSameBytes(x, y) { share(x, y) }
      case CNNB_OP_BATCH_NORMALIZATION, CNNB_OP_PRELU: overwrite(i, 0)
      default:
        // Element by element, over an input that nobody reads afterwards.
        if model.need(i) == .same, !overwrite(i, 0) { overwrite(i, 1) }
      }
    }
  }

  @discardableResult
  private func overwrite(_ i: Int, _ operand: Int) -> Bool {
    let y = model.output(i)
    guard let x = model.input(i, operand), model.isActivation(x), model.hasShape(x, of: y),
      storage[x].layout == storage[y].layout, storage[storage[x].root].last == i
    else { return false }
    // The other operand must not lie there, unless it is the same.
    if let other = model.input(i, 1 - operand), other != x, model.isActivation(other),
      storage[other].root == storage[x].root
    {
      return false
    }
    return share(x, y)
  }

  /// Lets y lie where x does.
  @discardableResult
  private func share(_ x: Int, _ y: Int) -> Bool {
    let root = storage[x].root
    let isFlat = model.tensor(x).rank != model.tensor(y).rank
    guard storage[root].first >= 0, !isFlat && !storage[root].isFlat || storage[root].halo + storage[y].halo == 0 else {
      return false
    }
    storage[y].root = root
    storage[root].isFlat = storage[root].isFlat || isFlat
    storage[root].last = max(storage[root].last, storage[y].last)
    storage[root].halo = max(storage[root].halo, storage[y].halo)
    return true
  }

  // MARK: - Sizes and places

  private func measure(_ t: Int) throws(Failure) {
    let tensor = model.tensor(tensorOf(t))
    var (bytes, overflow) = (tensor.elementCount! * tensor.elementBytes, false)
    if storage[t].layout != .plain {
      let halo = 2 * storage[t].halo
      let lanes = storage[t].layout == .pixels ? tensor.channels : (tensor.channels + 15) & ~15
      (bytes, overflow) = (tensor.height + halo).multipliedReportingOverflow(by: tensor.rowPixels + halo)
      if !overflow { (bytes, overflow) = bytes.multipliedReportingOverflow(by: lanes * tensor.elementBytes) }
    }
    guard !overflow, bytes <= Self.imageLimit else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "it takes more than 2 GiB of memory per image. Use a smaller network.")
        .at("tensor", model.name(tensorOf(t)))
    }
    storage[t].bytes = (bytes + 63) & ~63
    storage[t].image = storage[t].layout == .plain ? bytes : storage[t].bytes
  }

  /// The tensor that a storage holds: an operator's copies hold its inputs.
  private func tensorOf(_ t: Int) -> Int {
    guard t >= model.tensorCount else { return t }
    let (i, slot) = ((t - model.tensorCount) / Self.slots, (t - model.tensorCount) % Self.slots)
    return model.input(i, slot == 2 ? 0 : slot)!
  }

  private func place() -> Int {
    var pending = 0
    for t in 0..<count where storage[t].bytes > 0 {
      order[pending] = UInt32(t)
      pending += 1
    }
    var placed = 0
    var end = 0
    while placed < pending {
      // The largest that is left; the first of equals, so that the plan is always the same.
      var best = placed
      for k in placed..<pending where storage[Int(order[k])].bytes > storage[Int(order[best])].bytes { best = k }
      let t = order[best]
      // Those before `placed` are sorted by offset.
      var offset = 0
      for k in 0..<placed {
        let other = storage[Int(order[k])]
        guard other.first <= storage[Int(t)].last, storage[Int(t)].first <= other.last else { continue }
        if other.offset >= offset + storage[Int(t)].bytes { break }
        offset = max(offset, other.offset + other.bytes)
      }
      storage[Int(t)].offset = offset
      end = max(end, offset + storage[Int(t)].bytes)
      order[best] = order[placed]
      var k = placed
      while k > 0, storage[Int(order[k - 1])].offset > offset {
        order[k] = order[k - 1]
        k -= 1
      }
      order[k] = t
      placed += 1
    }
    return end
  }
}

extension cnnb_tensor {
  /// Pixels of a row in blocks: all axes behind the third.
  var rowPixels: Int { dim(3) * dim(4) * dim(5) }
}
