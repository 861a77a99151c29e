import Bundle
import CCNNRT
import Caller
import CPlatform
import Plan
import Training

/// A `cnnrt_trainer` is a `Trainer`, at the beginning of the memory that it owns.
func trainer(_ handle: OpaquePointer) -> UnsafeMutablePointer<Trainer> { UnsafeMutablePointer(handle) }

@_cdecl("cnnrt_trainer_memory_size") @implementation
public func cnnrt_trainer_memory_size(
  _ model: OpaquePointer?, _ options: UnsafePointer<cnnrt_trainer_options>?, _ out: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  out?.pointee = 0
  return attempt(error) { () throws(Failure) in
    let out = try require(out, "out"), network = network(try require(model, "model"))
    out.pointee = try Trainer.memorySize(network, try check(options))
  }
}

@_cdecl("cnnrt_trainer_create") @implementation
public func cnnrt_trainer_create(
  _ model: OpaquePointer?, _ options: UnsafePointer<cnnrt_trainer_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  out?.pointee = nil
  return attempt(error) { () throws(Failure) in
    let out = try require(out, "out"), network = network(try require(model, "model"))
    let options = try check(options)
    let bytes = try Trainer.memorySize(network, options)
    let memory = try allocateMemory(bytes, limit: .max)
    do throws(Failure) {
      out.pointee = OpaquePointer(
        try Trainer.make(network, options, in: memory))
    } catch {
      cp_free(memory)
      throw error
    }
  }
}

@_cdecl("cnnrt_trainer_destroy") @implementation
public func cnnrt_trainer_destroy(_ handle: OpaquePointer?) {
  guard let handle else { return }
  trainer(handle).pointee.end()
  cp_free(UnsafeMutableRawPointer(handle))
}

private func check(_ pointer: UnsafePointer<cnnrt_trainer_options>?) throws(Failure) -> TrainingOptions {
  var o = cnnrt_trainer_options()
  try readStruct(try require(pointer, "options"), into: &o, "options")
  guard o.batch >= 1 else { throw invalid("options", "batch is %. Set it to the images per step.", Int(o.batch)) }
  guard o.threads >= 0 && o.threads <= 64 else {
    throw invalid("options", "threads is %. Set it to 1 … 64.", Int(o.threads))
  }
  guard o.reserved.0 | o.reserved.1 == 0 else { throw invalid("options", "reserved is not 0. Set it to 0.") }
  guard isFraction(o.momentum), isFraction(o.beta1), isFraction(o.beta2), isFraction(o.batch_norm_momentum) else {
    throw invalid("options", "momentum, beta1, beta2 and batch_norm_momentum must be at least 0 and less than 1.")
  }
  guard o.epsilon >= 0, o.epsilon.isFinite, o.weight_decay >= 0, o.weight_decay.isFinite else {
    throw invalid("options", "epsilon and weight_decay must be finite and at least 0.")
  }
  guard o.label_smoothing >= 0, o.label_smoothing <= 1 else {
    throw invalid("options", "label_smoothing must be 0 … 1.")
  }
  guard o.max_gradient_norm >= 0, o.max_gradient_norm.isFinite else {
    throw invalid("options", "max_gradient_norm must be finite and at least 0.")
  }
  guard isFraction(o.ema_decay) else { throw invalid("options", "ema_decay must be at least 0 and less than 1.") }
  var options = TrainingOptions()
  options.optimizer = try optimizer(o.optimizer)
  try setClassWeights(o, &options)
  options.batch = Int(o.batch)
  options.shares = min(max(1, Int(o.threads)), options.batch)
  options.momentum = o.momentum
  options.weightDecay = o.weight_decay
  if o.beta1 != 0 { options.beta1 = decimal(o.beta1) }
  if o.beta2 != 0 { options.beta2 = decimal(o.beta2) }
  if o.epsilon != 0 { options.epsilon = o.epsilon }
  if o.batch_norm_momentum != 0 { options.batchNormMomentum = decimal(o.batch_norm_momentum) }
  options.labelSmoothing = decimal(o.label_smoothing)
  options.maxGradientNorm = Double(o.max_gradient_norm)
  options.averageDecay = decimal(o.ema_decay)
  options.seed = o.seed
  return options
}

private func optimizer(_ number: UInt32) throws(Failure) -> TrainingOptions.Optimizer {
  switch Int(number) {
  case CNNRT_OPTIMIZER_SGD: return .sgd
  case CNNRT_OPTIMIZER_ADAM: return .adam
  case CNNRT_OPTIMIZER_ADAMW: return .adamW
  default: throw invalid("options", "optimizer % is not known. Use a CNNRT_OPTIMIZER_….", Int(number))
  }
}

private func setClassWeights(_ o: cnnrt_trainer_options, _ options: inout TrainingOptions) throws(Failure) {
  guard o.class_weight_count > 0 else { return }
  guard let weights = o.class_weights else {
    throw invalid("options", "class_weights is NULL and class_weight_count is %.", Int(o.class_weight_count))
  }
  options.classWeights = weights
  options.classWeightCount = Int(o.class_weight_count)
}

private func isFraction(_ x: Float) -> Bool { x >= 0 && x < 1 }

/// The number that was meant: 0.999 and not the nearest float, whose difference from 1 is off by 1e-5 of itself.
private func decimal(_ x: Float) -> Double { Double(Int(Double(x) * 1e7 + 0.5)) / 1e7 }
