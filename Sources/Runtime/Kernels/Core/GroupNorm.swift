import CKernels
import CVector

/// Groups of channels are not blocks of sixteen. A cluster is the smallest range of groups that begins and ends with a block (or with the last channel): at
/// most sixteen groups. A share is a range of images and clusters.
@inline(never)
private func groupNorm(_ a: UnsafePointer<cnn_group_norm>, isFloat: Bool, _ share: Share) {
  let x = a.pointee.x, y = a.pointee.y, channels = Int(x.channels), each = channels / Int(a.pointee.groups)
  var shared = 16
  while each % shared != 0 { shared >>= 1 }
  let clusterChannels = each &* (16 / shared), clusters = (channels &+ clusterChannels &- 1) / clusterChannels
  let count = each &* Int(x.height) &* Int(x.width),
    scales = NormScales(
      x: (a.pointee.x_scale, a.pointee.x_zero_point), y: (a.pointee.y_scale, a.pointee.y_zero_point))

  for unit in share.range(of: Int(x.batch) &* clusters) {
    let n = unit / clusters, first = unit % clusters &* clusterChannels
    let end = min(channels, first &+ clusterChannels)
    var sums = InlineArray<16, Double>(repeating: 0), squares = InlineArray<16, Double>(repeating: 0)
    var exactSums = InlineArray<16, Int64>(repeating: 0), exactSquares = InlineArray<16, Int64>(repeating: 0)
    // Float: the sums, then the squared deviations from their mean. Bytes: both at once, they are exact.
    for pass in 0..<(isFloat ? 2 : 1) {
      var block = first >> 4
      while block &* 16 < end {
        let lanes = min(16, end &- block &* 16), group = block &* 16 &- first
        var means = Floats(repeating: 0)
        if pass == 1 {
          for lane in 0..<lanes {
            means[lane] = cv_narrowed(sums[unchecked: (group &+ lane) / each] / cv_double(Int64(count)))
          }
        }
        for row in 0..<Int(x.height) {
          let line = UnsafeRawPointer(x.address(n, block, row))
          var column = 0
          while column < Int(x.width) {
            // So few that sums of squares fit 32 bits, and that float sums lose little.
            let stop = min(Int(x.width), column &+ (isFloat ? 64 : 16384))
            var floats = Floats(repeating: 0), s = Ints(repeating: 0), t = Ints(repeating: 0)
            while column < stop {
              if isFloat {
                let d = line.floats(column &* 64) - means
                floats += pass == 1 ? d * d : d
              } else {
                let q = scales.steps(line.bytes(column &* 16))
                s &+= q
                t &+= q &* q
              }
              column &+= 1
            }
            for lane in 0..<lanes {
              let g = (group &+ lane) / each
              if isFloat {
                if pass == 0 {
                  sums[unchecked: g] += cv_widened(floats[lane])
                } else {
                  squares[unchecked: g] += cv_widened(floats[lane])
                }
              } else {
                exactSums[unchecked: g] &+= Int64(s[lane])
                exactSquares[unchecked: g] &+= Int64(t[lane])
              }
            }
          }
        }
        block &+= 1
      }
    }
    var block = first >> 4
    while block &* 16 < end {
      var mean = Floats(repeating: 0), factor = Floats(repeating: 0)
      for lane in 0..<min(16, end &- block &* 16) {
        let g = (block &* 16 &- first &+ lane) / each
        let moments =
          isFloat
          ? Moments(
            mean: sums[unchecked: g] / cv_double(Int64(count)), squares: squares[unchecked: g], count: count,
            epsilon: a.pointee.epsilon)
          : Moments(
            sum: exactSums[unchecked: g], squares: exactSquares[unchecked: g], count: count, scale: scales.xScale,
            epsilon: a.pointee.epsilon)
        mean[lane] = moments.mean
        factor[lane] = moments.factor
      }
      let scale = UnsafeRawPointer(a.pointee.scale!).floats(block &* 64)
      let bias = UnsafeRawPointer(a.pointee.bias!).floats(block &* 64)
      for row in 0..<Int(x.height) {
        let from = UnsafeRawPointer(x.address(n, block, row)), to = y.address(n, block, row)
        for column in 0..<Int(x.width) {
          if isFloat {
            to.put(((from.floats(column &* 64) - mean) * factor) * scale + bias, column &* 64)
          } else {
            let q = cv_to_float(scales.steps(from.bytes(column &* 16)))
            to.put(scales.stored(((q - mean) * factor) * scale + bias), column &* 16)
          }
        }
      }
      block &+= 1
    }
  }
  y.fillHalo(isFloat: isFloat, share)
}

func groupNormF32(_ a: UnsafePointer<cnn_group_norm>, _ share: Share) { groupNorm(a, isFloat: true, share) }
func groupNormU8(_ a: UnsafePointer<cnn_group_norm>, _ share: Share) { groupNorm(a, isFloat: false, share) }
