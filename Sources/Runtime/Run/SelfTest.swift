import Bundle
import CBundle
import CCNNRT
import CKernels
import Plan

/// Runs the bundle's own input as image 0 and compares with the outputs that must come of it.
public func selfTest(_ session: UnsafeMutablePointer<Session>) throws(Failure) {
  let network = session.pointee.network
  guard let test = network.pointee.model.selfTest else {
    throw Failure(CNNRT_ERROR_STATE, "the bundle has no self-test. Export it with one.")
  }
  try network.pointee.model.verify()
  let model = network.pointee.model
  var position = test.inputs
  for k in 0..<model.inputCount {
    let t = model.networkInput(k)
    let tensor = model.tensor(t)
    importPlain(
      session, t, position, plainStrides(tensor, elementBytes: tensor.elementBytes), isFloat: tensor.isFloat, batch: 1)
    position += model.bytes(t)
  }
  run(session)
  position = test.outputs
  for k in 0..<model.outputCount {
    let t = model.networkOutput(k)
    let exact = !model.tensor(t).isFloat || model.isQuantized && !model.isMixed
    let differing =
      exact ? differing(session, t, position) : differing(session, t, position, tolerance: test.tolerance)
    guard differing == 0 else {
      throw Failure(
        CNNRT_ERROR_SELF_TEST, "% of % values differ from what they must be. Do not use this model on this machine.",
        differing, model.tensor(t).elementCount!
      ).at("output", model.name(t))
    }
    position += model.bytes(t)
  }
}

/// Elements that are not equal to the bit.
private func differing(_ session: UnsafeMutablePointer<Session>, _ t: Int, _ expected: UnsafeRawPointer) -> Int {
  let reader = ElementReader(session, t)
  var count = 0
  for i in 0..<reader.count {
    let p = reader.address(0, i)
    let equal =
      reader.isFloat
      ? p.load(as: UInt32.self) == expected.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
      : p.load(as: UInt8.self) == expected.load(fromByteOffset: i, as: UInt8.self)
    if !equal { count += 1 }
  }
  return count
}

/// Elements that are off by more than `tolerance` times the largest expected magnitude.
private func differing(
  _ session: UnsafeMutablePointer<Session>, _ t: Int, _ expected: UnsafeRawPointer, tolerance: Float
) -> Int {
  let reader = ElementReader(session, t)
  func wanted(_ i: Int) -> Float { expected.loadUnaligned(fromByteOffset: 4 * i, as: Float.self) }
  var largest: Float = 0
  for i in 0..<reader.count { largest = max(largest, abs(wanted(i))) }
  var count = 0
  // Written so that a NaN differs.
  for i in 0..<reader.count where !(abs(reader.value(0, i) - wanted(i)) <= tolerance * largest) { count += 1 }
  return count
}
