import CBundle

/// What an operator costs: for limits, and for how many threads it is worth.
extension Model {
  /// Operations per image: multiply-adds, comparisons, elements written.
  public func work(_ i: Int) -> Int {
    let o = operators[i]
    let y = tensors[output(i)]
    var perElement = 1
    switch Int(o.kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM, CNNB_OP_MATMUL: return multiplyAdds(i)
    case CNNB_OP_CONV_TRANSPOSE:
      // Preparing it counts too: phases of the kernel.
      let w = o.window
      let phases = Int(w.stride_y) * Int(w.stride_x) * (Int(w.kernel_height) + Int(w.kernel_width))
      return multiplyAdds(i) + y.elementCount! + phases
    case CNNB_OP_MAX_POOL, CNNB_OP_AVERAGE_POOL:
      perElement = Int(o.window.kernel_height) * Int(o.window.kernel_width)
    case CNNB_OP_GLOBAL_AVERAGE_POOL, CNNB_OP_GLOBAL_MAX_POOL, CNNB_OP_REDUCE_MEAN, CNNB_OP_REDUCE_SUM,
      CNNB_OP_REDUCE_MAX, CNNB_OP_REDUCE_MIN:
      return tensors[input(i, 0)!].elementCount!
    case CNNB_OP_LRN: perElement = min(Int(o.integers.0), y.channels) + 16
    case CNNB_OP_RESIZE: perElement = Int(o.integers.0) == CNNB_RESIZE_LINEAR ? 4 : 1
    case CNNB_OP_ELU, CNNB_OP_SIGMOID, CNNB_OP_TANH, CNNB_OP_SWISH, CNNB_OP_GELU, CNNB_OP_ERF, CNNB_OP_SOFTMAX,
      CNNB_OP_LAYER_NORMALIZATION, CNNB_OP_GROUP_NORMALIZATION, CNNB_OP_INSTANCE_NORMALIZATION:
      perElement = y.isFloat ? 8 : 1
    default: break
    }
    let (product, overflow) = y.elementCount!.multipliedReportingOverflow(by: perElement)
    return overflow ? Int.max : product
  }

  /// Multiply-adds per image; 0 where there are no weights to multiply with.
  public func multiplyAdds(_ i: Int) -> Int {
    // All factors are below 2³¹.
    let outputs = tensors[output(i)].elementCount!
    switch Int(operators[i].kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM:
      let weight = tensors[input(i, 1)!]
      return weight.elementCount! / weight.dim(0) * outputs
    case CNNB_OP_CONV_TRANSPOSE:
      let weight = tensors[input(i, 1)!]
      return weight.elementCount! / weight.dim(0) * tensors[input(i, 0)!].elementCount!
    case CNNB_OP_MATMUL:
      let x = tensors[input(i, 0)!]
      return x.dim(Int(x.rank) - 1) * outputs
    default: return 0
    }
  }
}
