import Bundle
import CBundle
import CCNNRT
import CKernels

/// Where one image of a tensor lies in a session's memory. A batch of n has n of them side by side, and everything lies n
/// times as far from the beginning: the plan is made once per model, for any batch.
struct Storage {
  /// Channels side by side (cnn_view, "pixel layout") rather than in blocks of 16.
  var isPixels = false
  /// Pixels on each side: the largest padding of the convolutions that read it.
  var halo = 0
  /// The tensor whose memory this one lies in; itself, unless an operator works in place.
  var root = 0
  /// The operators between which the memory is in use. Inputs are in use always, outputs to the end.
  var first = Int.max
  var last = -1
  /// 0 if nothing is stored.
  var bytes = 0
  var offset = 0
}

/// Chooses layout, halo and place for every tensor, and for the copies in another layout that some convolutions need.
///
/// The arena is planned by lifetime: the largest tensor first, each at the lowest place that is free while it lives.
struct StoragePlan {
  let model: Model
  /// Of the tensors, then of each operator's copy of its input.
  let storage: UnsafeMutablePointer<Storage>
  /// As many, for sorting.
  let order: UnsafeMutablePointer<UInt32>
  var count: Int { model.tensorCount + model.operatorCount }

  /// Kernels take distances inside an image as Int32.
  static let imageLimit = Int(Int32.max) - 4096

  /// Returns the bytes of one image of everything.
  func make() throws(Failure) -> Int {
    for t in 0..<count {
      storage[t] = Storage()
      storage[t].root = t
    }
    chooseLayouts()
    chooseHalosAndLifetimes()
    shareMemory()
    for t in 0..<count where storage[t].last >= 0 && storage[t].root == t { try measure(t) }
    return place()
  }

  // MARK: - Layout, halo, lifetime

  /// An image of at most four channels that only convolutions (and Flatten) read lies in pixels.
  private func chooseLayouts() {
    for k in 0..<model.inputCount {
      let t = model.networkInput(k)
      storage[t].isPixels = model.tensor(t).rank == 4 && model.tensor(t).channels <= 4
    }
    for i in 0..<model.operatorCount {
      let kind = Int(model.operation(i).kind)
      guard kind != CNNB_OP_CONV, kind != CNNB_OP_FLATTEN else { continue }
      for k in 0..<Int(model.operation(i).input_count) {
        if let x = model.input(i, k) { storage[x].isPixels = false }
      }
    }
  }

  private func chooseHalosAndLifetimes() {
    for k in 0..<model.inputCount {
      storage[model.networkInput(k)].first = -1
      storage[model.networkInput(k)].last = Int.max
    }
    for i in 0..<model.operatorCount {
      let (o, y) = (model.operation(i), model.output(i))
      storage[y].first = i
      storage[y].last = max(storage[y].last, i)
      for k in 0..<Int(o.input_count) {
        guard let x = model.input(i, k), !model.isConstant(x) else { continue }
        storage[x].last = max(storage[x].last, i)
      }
      guard Int(o.kind) == CNNB_OP_CONV else { continue }
      var read = model.input(i, 0)!
      if needsPixels(i) {
        read = model.tensorCount + i
        storage[read].isPixels = true
        (storage[read].first, storage[read].last) = (i, i)
      }
      let w = o.window
      let halo = max(max(w.pad_top, w.pad_bottom), max(w.pad_left, w.pad_right))
      storage[read].halo = max(storage[read].halo, Int(halo))
    }
    for k in 0..<model.outputCount { storage[model.networkOutput(k)].last = Int.max }
  }

  /// Whether a convolution's input lies in blocks but is read by rows of pixels. (A kernel one wide reads single pixels.)
  private func needsPixels(_ i: Int) -> Bool {
    let o = model.operation(i)
    let order = ConvOrder(weight: model.tensor(model.input(i, 1)!), dilationX: Int(o.window.dilation_x))
    return order.isPixels && order.kernelWidth > 1 && !storage[model.input(i, 0)!].isPixels
  }

  // MARK: - In place

  /// Element by element, over an input that nobody reads afterwards.
  private func shareMemory() {
    for i in 0..<model.operatorCount {
      let y = model.output(i)
      switch Int(model.operation(i).kind) {
      case CNNB_OP_RELU, CNNB_OP_BATCH_NORMALIZATION: share(i, model.input(i, 0)!, y)
      case CNNB_OP_ADD:
        if !share(i, model.input(i, 0)!, y) { share(i, model.input(i, 1)!, y) }
      case CNNB_OP_FLATTEN:
        let x = model.input(i, 0)!
        let image = model.tensor(x)
        // [N, C, 1, 1] in blocks is [N, C] already; nothing is done.
        if image.height == 1, image.width == 1, storage[storage[x].root].halo == 0 { share(i, x, y) }
      default: break
      }
    }
  }

  @discardableResult
  private func share(_ i: Int, _ x: Int, _ y: Int) -> Bool {
    let root = storage[x].root
    guard storage[root].last == i, storage[root].first >= 0 else { return false }
    storage[y].root = root
    storage[root].last = storage[y].last
    storage[root].halo = max(storage[root].halo, storage[y].halo)
    return true
  }

  // MARK: - Sizes and places

  private func measure(_ t: Int) throws(Failure) {
    let tensor = model.tensor(tensorOf(t))
    let s = storage[t]
    let rows = tensor.height + 2 * s.halo
    let columns = tensor.width + 2 * s.halo
    let lanes = s.isPixels ? tensor.channels : (tensor.channels + 15) & ~15
    // Sides and halo below 2¹⁸, lanes below 2³²: the first product fits, the second may not.
    let (bytes, overflow) = (rows * columns).multipliedReportingOverflow(by: lanes * tensor.elementBytes)
    guard !overflow, bytes <= Self.imageLimit else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "it takes more than 2 GiB of memory per image. Use a smaller network.")
        .at("tensor", model.name(tensorOf(t)))
    }
    storage[t].bytes = (bytes + 63) & ~63
  }

  /// The tensor that a storage holds: an operator's copy holds its input.
  private func tensorOf(_ t: Int) -> Int { t < model.tensorCount ? t : model.input(t - model.tensorCount, 0)! }

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
