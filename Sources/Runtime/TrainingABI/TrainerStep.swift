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
    guard learning_rate.isFinite else { throw invalid("learning_rate", "it is not a finite number.") }
    try run(.learn, handle, images, labels, count, learning_rate, result)
  }
}

@_cdecl("cnnrt_trainer_gradients") @implementation
public func cnnrt_trainer_gradients(
  _ handle: OpaquePointer?, _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?, _ count: Int32,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in try run(.gradients, handle, images, labels, count, 0, result) }
}

@_cdecl("cnnrt_trainer_evaluate") @implementation
public func cnnrt_trainer_evaluate(
  _ handle: OpaquePointer?, _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?, _ count: Int32,
  _ result: UnsafeMutablePointer<cnnrt_train_result>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in try run(.evaluate, handle, images, labels, count, 0, result) }
}

private func run(
  _ mode: Trainer.Mode, _ handle: OpaquePointer?, _ images: UnsafePointer<Float>?, _ labels: UnsafePointer<Int32>?,
  _ count: Int32, _ learningRate: Float, _ result: UnsafeMutablePointer<cnnrt_train_result>?
) throws(Failure) {
  let trainer = trainer(try require(handle, "trainer"))
  let images = try require(images, "images"), labels = try require(labels, "labels")
  guard count >= 1, Int(count) <= trainer.pointee.largestBatch else {
    throw invalid(
      "count", "it is % and must be 1 … %, the batch in the options.", Int(count), trainer.pointee.largestBatch)
  }
  let classes = trainer.pointee.classes
  for i in 0..<Int(count) where labels[i] < 0 || Int(labels[i]) >= classes {
    throw Failure(
      CNNRT_ERROR_INVALID_ARGUMENT, "the label of image % is %. The network has % classes, counted from 0.", i,
      Int(labels[i]), classes
    ).at("labels")
  }
  let environment = cp_float_begin()
  let got = trainer.pointee.run(mode, images: images, labels: labels, count: Int(count), learningRate: learningRate)
  cp_float_end(environment)
  var out = cnnrt_train_result()
  out.loss = got.loss
  out.correct = UInt32(got.correct)
  writeStruct(out, to: result)
}
