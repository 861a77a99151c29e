import CCNNRT

/// The order in which a tensor's elements lie in the caller's memory. Shapes are in ONNX's order, N, C, H, W, whatever
/// the layout.
public enum Layout: Equatable, Sendable {
  /// Row-major without gaps: NCHW for images.
  case channelsFirst
  /// The channels innermost, without gaps: NHWC for images, as cameras and image files have it.
  case channelsLast
  /// Elements from one index to the next, for each axis of the shape; none negative.
  case strides([Int])
}

extension cnnrt_array {
  /// The caller's memory: a batch of a tensor's shape, in a layout. `data` is still to be set.
  /// - Throws: `.invalidArgument` if the layout does not lie within `count` elements, or has some to spare though it is
  ///   one without gaps.
  init<Element: TensorElement>(
    _: Element.Type, count: Int, of tensor: Model.Tensor, batch: Int, _ layout: Layout
  ) throws(CNNRTError) {
    self.init()
    size = MemoryLayout<cnnrt_array>.size
    type = cnnrt_type(rawValue: Element.tensorType.rawValue)
    rank = UInt32(tensor.shape.count)
    withUnsafeMutableBytes(of: &shape) { bytes in
      let shape = bytes.bindMemory(to: Int64.self)
      for (axis, size) in tensor.shape.enumerated() { shape[axis] = Int64(axis == 0 ? size * batch : size) }
    }
    switch layout {
    case .channelsFirst, .channelsLast:
      guard count == tensor.count * batch else {
        throw .wrongArgument(
          tensor.name, "\(count) values were given; \(batch) of shape \(tensor.shape) are \(tensor.count * batch)")
      }
      setStrides(isChannelsLast: layout == .channelsLast, elementBytes: MemoryLayout<Element>.stride)
    case .strides(let strides):
      guard let extent = setStrides(strides, elementBytes: MemoryLayout<Element>.stride) else {
        throw .wrongArgument(
          tensor.name, "\(strides) are not the strides of shape \(tensor.shape): one for each axis, none negative")
      }
      guard count >= extent else {
        throw .wrongArgument(
          tensor.name, "\(count) values were given; with strides \(strides) its last is number \(extent)")
      }
    }
  }

  private mutating func setStrides(isChannelsLast: Bool, elementBytes: Int) {
    var step = Int64(elementBytes)
    func set(_ axis: Int) {
      withUnsafeMutableBytes(of: &strides) { $0.bindMemory(to: Int64.self)[axis] = step }
      step *= withUnsafeBytes(of: shape) { $0.bindMemory(to: Int64.self)[axis] }
    }
    let rank = Int(rank), channels = isChannelsLast && rank > 1 ? 1 : nil
    if let channels { set(channels) }
    for axis in (0..<rank).reversed() where axis != channels { set(axis) }
  }

  /// Sets the strides; how many elements they reach over. nil if they cannot be right.
  private mutating func setStrides(_ steps: [Int], elementBytes: Int) -> Int? {
    // The C interface takes strides that are all 0 for a tensor without gaps.
    guard steps.count == Int(rank), steps.allSatisfy({ $0 >= 0 }), steps.contains(where: { $0 > 0 }) else { return nil }
    var last = 0
    for (axis, step) in steps.enumerated() {
      let size = withUnsafeBytes(of: shape) { Int($0.bindMemory(to: Int64.self)[axis]) }
      let (distance, isTooFar) = step.multipliedReportingOverflow(by: size - 1)
      let (sum, overflow) = last.addingReportingOverflow(distance)
      let (bytes, isTooLarge) = step.multipliedReportingOverflow(by: elementBytes)
      guard !isTooFar, !overflow, !isTooLarge, sum < .max else { return nil }
      last = sum
      withUnsafeMutableBytes(of: &strides) { $0.bindMemory(to: Int64.self)[axis] = Int64(bytes) }
    }
    return last + 1
  }
}
