import CNNSupport

/// Networks of depthwise convolutions, for phones.
extension Zoo {
  /// Howard et al. 2017. For small images the first convolution and the 512-channel stage keep the size.
  @Sendable static func mobilenetV1(_ task: Task) -> any Layer {
    let stages = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, task.isSmall ? 1 : 2)]
    let later = Array(repeating: (512, 1), count: 5) + [(1024, 2), (1024, 1)]
    func channels(_ count: Int) -> Int { divisible(Double(count) * task.width) }
    return Sequential {
      Conv2d(channels(32), kernel: 3, stride: task.isSmall ? 1 : 2, padding: 1, bias: false)
      BatchNorm()
      ReLU()
      for (count, stride) in stages + later {
        DepthwiseConv2d(kernel: 3, stride: stride, padding: 1, bias: false)
        BatchNorm()
        ReLU()
        Conv2d(channels(count), kernel: 1, bias: false)
        BatchNorm()
        ReLU()
      }
      head(task)
    }
  }

  /// MobileNetV2 (Sandler et al. 2018), as torchvision has it. For small images the first convolution and the
  /// 64-channel stage keep the size.
  @Sendable static func mobilenetV2(_ task: Task) -> any Layer {
    invertedResiduals(
      task,
      [
        Stage(blocks: 1, channels: 16, expansion: 1),
        Stage(blocks: 2, channels: 24, stride: 2),
        Stage(blocks: 3, channels: 32, stride: 2),
        Stage(blocks: 4, channels: 64, stride: task.isSmall ? 1 : 2),
        Stage(blocks: 3, channels: 96),
        Stage(blocks: 3, channels: 160, stride: 2),
        Stage(blocks: 1, channels: 320),
      ])
  }

  /// EfficientNet-Lite0 (Liu 2020): EfficientNet-B0 (Tan and Le 2019) without squeeze and excite, and with ReLU6. For
  /// small images the first convolution and the 80-channel stage keep the size.
  @Sendable static func efficientnetLite0(_ task: Task) -> any Layer {
    invertedResiduals(
      task,
      [
        Stage(blocks: 1, channels: 16, expansion: 1),
        Stage(blocks: 2, channels: 24, stride: 2),
        Stage(blocks: 2, channels: 40, kernel: 5, stride: 2),
        Stage(blocks: 3, channels: 80, stride: task.isSmall ? 1 : 2),
        Stage(blocks: 3, channels: 112, kernel: 5),
        Stage(blocks: 4, channels: 192, kernel: 5, stride: 2),
        Stage(blocks: 1, channels: 320),
      ])
  }

  /// Blocks of one width and kernel; the first has the stride.
  private struct Stage {
    var blocks, channels: Int
    var expansion = 6
    var kernel = 3
    var stride = 1
  }

  private static func invertedResiduals(_ task: Task, _ stages: [Stage]) -> any Layer {
    Sequential {
      convolution6(divisible(32 * task.width), kernel: 3, stride: task.isSmall ? 1 : 2)
      for stage in stages {
        for block in 0..<stage.blocks {
          InvertedResidual(
            channels: divisible(Double(stage.channels) * task.width), expansion: stage.expansion, kernel: stage.kernel,
            stride: block == 0 ? stage.stride : 1)
        }
      }
      convolution6(divisible(1280 * max(1, task.width)), kernel: 1)
      head(task, dropout: 0.2)
    }
  }

  /// A convolution with normalisation and ReLU6.
  fileprivate static func convolution6(_ channels: Int, kernel: Int, stride: Int = 1) -> Sequential {
    Sequential {
      Conv2d(channels, kernel: kernel, stride: stride, padding: kernel / 2, bias: false)
      BatchNorm()
      ReLU6()
    }
  }

  /// The nearest multiple of 8, at least 8, that is not more than a tenth smaller.
  private static func divisible(_ channels: Double) -> Int {
    let rounded = max(8, Int(channels + 4) / 8 * 8)
    return Double(rounded) < 0.9 * channels ? rounded + 8 : rounded
  }
}

/// MobileNetV2's block: widened, filtered channel by channel, narrowed; added to its input where the shape is the same.
private struct InvertedResidual: Layer {
  var channels, expansion, kernel, stride: Int

  func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let inputs = network.shape(of: x)[1]
    let block = Sequential {
      if expansion > 1 { Zoo.convolution6(inputs * expansion, kernel: 1) }
      DepthwiseConv2d(kernel: kernel, stride: stride, padding: kernel / 2, bias: false)
      BatchNorm()
      ReLU6()
      Conv2d(channels, kernel: 1, bias: false)
      BatchNorm()
    }
    let isResidual = stride == 1 && inputs == channels
    return try (isResidual ? Residual { block } : block as any Layer).append(to: &network, x)
  }
}
