import Bundle
import CCNNRT
import Caller
import CPlatform
import Training

@_cdecl("cnnrt_trainer_step") @implementation
public func cnnrt_trainer_step(
  _ handle: OpaquePointer?, _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?, _ count: Int32,
  _ learning_rate: Float, _ result: UnsafeMutablePointer<cnnrt_train_result>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    try run(.learn, handle, try labelled(images, labels, count), learning_rate, result)
  }
}

@_cdecl("cnnrt_trainer_gradients") @implementation
public func cnnrt_trainer_gradients(
  _ handle: OpaquePointer?, _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?, _ count: Int32,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    try run(.gradients, handle, try labelled(images, labels, count), 0, result)
  }
}

@_cdecl("cnnrt_trainer_evaluate") @implementation
public func cnnrt_trainer_evaluate(
  _ handle: OpaquePointer?, _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?, _ count: Int32,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    try run(.evaluate, handle, try labelled(images, labels, count), 0, result)
  }
}

@_cdecl("cnnrt_trainer_step_batch") @implementation
public func cnnrt_trainer_step_batch(
  _ handle: OpaquePointer?, _ batch: UnsafePointer<cnnrt_train_batch>?, _ learning_rate: Float,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in try run(.learn, handle, try read(batch), learning_rate, result) }
}

@_cdecl("cnnrt_trainer_gradients_batch") @implementation
public func cnnrt_trainer_gradients_batch(
  _ handle: OpaquePointer?, _ batch: UnsafePointer<cnnrt_train_batch>?,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in try run(.gradients, handle, try read(batch), 0, result) }
}

@_cdecl("cnnrt_trainer_evaluate_batch") @implementation
public func cnnrt_trainer_evaluate_batch(
  _ handle: OpaquePointer?, _ batch: UnsafePointer<cnnrt_train_batch>?,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in try run(.evaluate, handle, try read(batch), 0, result) }
}

@_cdecl("cnnrt_trainer_get_outputs") @implementation
public func cnnrt_trainer_get_outputs(
  _ handle: OpaquePointer?, _ values: UnsafeMutablePointer<Float>?, _ count: UInt64,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let trainer = trainer(try require(handle, "trainer")), values = try require(values, "values")
    let there = trainer.pointee.batch.count * trainer.pointee.classes
    guard there > 0 else { throw invalid("trainer", "it has worked on no batch yet.") }
    guard count == UInt64(there) else {
      throw invalid("count", "it is % and the last batch has % outputs.", Int(clamping: count), there)
    }
    trainer.pointee.getOutputs(values)
  }
}

private func labelled(
  _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?, _ count: Int32
) throws(Failure) -> cnnrt_train_batch {
  var batch = cnnrt_train_batch()
  batch.images = images
  batch.labels = try require(labels, "labels")
  batch.count = count
  return batch
}

private func read(_ pointer: UnsafePointer<cnnrt_train_batch>?) throws(Failure) -> cnnrt_train_batch {
  var batch = cnnrt_train_batch()
  try readStruct(try require(pointer, "batch"), into: &batch, "batch")
  guard batch.labels != nil || batch.targets != nil else {
    throw invalid("batch", "it has neither labels nor targets. Set one of them.")
  }
  return batch
}

private func run(
  _ mode: Trainer.Mode, _ handle: OpaquePointer?, _ batch: cnnrt_train_batch, _ learningRate: Float,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?
) throws(Failure) {
  guard learningRate.isFinite else { throw invalid("learning_rate", "it is not a finite number.") }
  let trainer = trainer(try require(handle, "trainer")), images = try require(batch.images, "images")
  let count = Int(batch.count)
  guard count >= 1, count <= trainer.pointee.largestBatch else {
    throw invalid("count", "it is % and must be 1 … %, the batch in the options.", count, trainer.pointee.largestBatch)
  }
  let averages = try usesAverages(batch.flags, mode, trainer)
  try check(labels: batch.labels, count, classes: trainer.pointee.classes)
  try check(targets: batch.targets, count, classes: trainer.pointee.classes)
  let environment = cp_float_begin()
  let got = trainer.pointee.run(
    mode, .init(images: images, labels: batch.labels, targets: batch.targets, count: count),
    learningRate: learningRate, usesAverages: averages)
  cp_float_end(environment)
  var out = cnnrt_train_result()
  out.loss = got.loss
  out.correct = UInt32(got.correct)
  out.correct_top5 = UInt32(got.correctTop5)
  out.gradient_norm = got.gradientNorm
  writeStruct(out, to: result)
}

private func usesAverages(
  _ flags: UInt32, _ mode: Trainer.Mode, _ trainer: UnsafeMutablePointer<Trainer>
) throws(Failure) -> Bool {
  guard flags & ~UInt32(CNNRT_BATCH_AVERAGES) == 0 else {
    throw invalid("batch", "its flags have bits that are not known. Use CNNRT_BATCH_….")
  }
  guard flags != 0 else { return false }
  guard mode == .evaluate else { throw invalid("batch", "CNNRT_BATCH_AVERAGES is for an evaluation.") }
  guard trainer.pointee.keepsAverages else { throw noAverages() }
  return true
}

private func check(labels: UnsafePointer<Int32>?, _ count: Int, classes: Int) throws(Failure) {
  guard let labels else { return }
  for i in 0..<count where labels[i] < 0 || Int(labels[i]) >= classes {
    throw Failure(
      CNNRT_ERROR_INVALID_ARGUMENT, "the label of image % is %. The network has % classes, counted from 0.", i,
      Int(labels[i]), classes
    ).at("labels")
  }
}

private func check(targets: UnsafePointer<Float>?, _ count: Int, classes: Int) throws(Failure) {
  guard let targets else { return }
  for i in 0..<count * classes where !(targets[i] >= 0 && targets[i] < .infinity) {
    throw invalid(
      "targets", "image %, class %: it must be finite and at least 0.", i / classes, i % classes)
  }
}
