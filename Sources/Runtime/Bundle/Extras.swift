import CBundle
import CCNNRT

/// SELF_TEST: the bytes of one image's inputs and of the outputs that must come of them.
public struct SelfTest {
  public let tolerance: Float
  public let inputs, outputs: UnsafeRawPointer
}

extension Model {
  mutating func readRecipe(_ section: Section?) throws(Failure) {
    guard let section else { return }
    do throws(Failure) {
      guard section.count == MemoryLayout<cnnb_recipe>.size else {
        throw .format("it has % bytes and should have %", section.count, MemoryLayout<cnnb_recipe>.size)
      }
      let r = section.data!.assumingMemoryBound(to: cnnb_recipe.self).pointee
      try checkRecipe(r)
      recipe = r
    } catch { throw error.at("section RECIPE", offset: section.offset()) }
  }

  private func checkRecipe(_ r: cnnb_recipe) throws(Failure) {
    let x = tensors[networkInput(0)]
    let grey = Int(r.channel_order) == CNNB_CHANNELS_GREY
    guard x.rank == 4, Int(r.width) == x.width, Int(r.height) == x.height, Int(r.channels) == x.channels,
      max(x.width, x.height) <= Self.sideLimit
    else {
      throw .format(
        "its image (% by %, % channels) is not network input 0", Int(r.width), Int(r.height), Int(r.channels))
    }
    guard r.channels == (grey ? 1 : 3), Int(r.channel_order) <= CNNB_CHANNELS_BGR else {
      throw .format("% channels do not go with channel order %", Int(r.channels), Int(r.channel_order))
    }
    guard Int(r.resize) <= CNNB_RESIZE_LETTERBOX,
      Int(r.resize) != CNNB_RESIZE_CROP || max(r.width, r.height)...65535 ~= r.resize_shorter
    else {
      throw .format(
        "its resize rule % is not known, or resize_shorter (%) out of range", Int(r.resize), Int(r.resize_shorter))
    }
    guard r.fill.0 <= 255, r.fill.1 <= 255, r.fill.2 <= 255, r.reserved == 0 else {
      throw .format("fill is more than 255")
    }
    guard r.mean.0.isFinite, r.mean.1.isFinite, r.mean.2.isFinite, isDeviation(r.deviation.0),
      grey || isDeviation(r.deviation.1) && isDeviation(r.deviation.2)
    else { throw .format("a mean is not finite, or a deviation is 0 or not finite") }
  }

  private func isDeviation(_ x: Float) -> Bool { x.isFinite && x != 0 }

  mutating func readSelfTest(_ section: Section?) throws(Failure) {
    guard let section, let data = section.data else { return }
    do throws(Failure) {
      let headerBytes = MemoryLayout<cnnb_self_test>.size
      guard section.count >= headerBytes else { throw .format("it is too short") }
      let t = data.assumingMemoryBound(to: cnnb_self_test.self).pointee
      var (inputBytes, outputBytes) = (0, 0)
      for i in 0..<inputCount { inputBytes += bytes(networkInput(i)) }
      for i in 0..<outputCount { outputBytes += bytes(networkOutput(i)) }
      guard t.input_count == graph.input_count, t.output_count == graph.output_count, t.reserved == 0,
        t.input_bytes == UInt64(inputBytes), t.output_bytes == UInt64(outputBytes),
        section.count == headerBytes + inputBytes + outputBytes, t.tolerance >= 0
      else {
        throw .format(
          "it has % bytes and should have % of inputs and % of outputs", section.count, inputBytes, outputBytes)
      }
      selfTest = SelfTest(
        tolerance: t.tolerance, inputs: data + headerBytes, outputs: data + headerBytes + inputBytes)
    } catch { throw error.at("section SELF_TEST", offset: section.offset()) }
  }

  /// Of an activation, one image, plain.
  public func bytes(_ i: Int) -> Int { tensors[i].elementCount! * tensors[i].elementBytes }
}
