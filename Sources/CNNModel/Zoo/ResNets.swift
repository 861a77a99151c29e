/// Residual networks (He et al. 2015).
extension Zoo {
  /// MLPerf Tiny's network for image classification: 77,898 parameters for 28×28×1 and 10 classes.
  @Sendable static func resnet8(_ task: Task) -> any Layer {
    Sequential {
      Conv2d(16, kernel: 3, padding: 1)
      BatchNorm()
      ReLU()
      for (channels, stride) in [(16, 1), (32, 2), (64, 2)] {
        Residual {
          Conv2d(channels, kernel: 3, stride: stride, padding: 1)
          BatchNorm()
          ReLU()
          Conv2d(channels, kernel: 3, padding: 1)
          BatchNorm()
        } shortcut: {
          if stride > 1 { Conv2d(channels, kernel: 1, stride: stride) }
        }
        ReLU()
      }
      head(task)
    }
  }

  /// The paper's networks for CIFAR-10, of 6·blocks + 2 layers. Where the image gets smaller, the shortcut takes every
  /// second pixel and new channels of zeros (option A).
  static func cifarResNet(_ task: Task, blocks: Int) -> any Layer {
    Sequential {
      Conv2d(16, kernel: 3, padding: 1, bias: false)
      BatchNorm()
      ReLU()
      for channels in [16, 32, 64] {
        for block in 0..<blocks {
          let halves = channels > 16 && block == 0
          Residual {
            Conv2d(channels, kernel: 3, stride: halves ? 2 : 1, padding: 1, bias: false)
            BatchNorm()
            ReLU()
            Conv2d(channels, kernel: 3, padding: 1, bias: false)
            BatchNorm()
          } shortcut: {
            if halves {
              AveragePool(1, stride: 2)
              PadChannels(to: channels)
            }
          }
          ReLU()
        }
      }
      head(task)
    }
  }

  /// The paper's networks for ImageNet, with torchvision's stride in the 3×3 convolution of a bottleneck.
  static func resNet(_ task: Task, blocks: [Int], bottleneck: Bool = false) -> any Layer {
    Sequential {
      stem(task)
      for (stage, count) in blocks.enumerated() {
        for block in 0..<count {
          let width = 64 << stage
          let stride = stage > 0 && block == 0 ? 2 : 1
          let channels = bottleneck ? 4 * width : width
          Residual {
            if bottleneck {
              Conv2d(width, kernel: 1, bias: false)
              BatchNorm()
              ReLU()
            }
            Conv2d(width, kernel: 3, stride: stride, padding: 1, bias: false)
            BatchNorm()
            ReLU()
            Conv2d(channels, kernel: bottleneck ? 1 : 3, padding: bottleneck ? 0 : 1, bias: false)
            BatchNorm()
          } shortcut: {
            if stride > 1 || bottleneck && block == 0 {
              Conv2d(channels, kernel: 1, stride: stride, bias: false)
              BatchNorm()
            }
          }
          ReLU()
        }
      }
      head(task)
    }
  }

  /// What a photograph is reduced to a quarter with. For small images the convolution is 3×3 and keeps the size, as is
  /// usual for CIFAR.
  static func stem(_ task: Task) -> Sequential {
    Sequential {
      Conv2d(64, kernel: task.isSmall ? 3 : 7, stride: task.isSmall ? 1 : 2, padding: task.isSmall ? 1 : 3, bias: false)
      BatchNorm()
      ReLU()
      if !task.isSmall { MaxPool(3, stride: 2, padding: 1) }
    }
  }

  /// The mean of each channel, then the classes.
  static func head(_ task: Task, dropout: Float = 0) -> Sequential {
    Sequential {
      GlobalAveragePool()
      Flatten()
      if dropout > 0 { Dropout(dropout) }
      Linear(task.classes)
      Softmax()
    }
  }
}

/// Channels of zeros, half before and half behind the input's own.
private struct PadChannels: OperatorLayer {
  var channels: Int
  init(to channels: Int) { self.channels = channels }

  var label: String { "pad" }

  func kind(for shape: [Int]) -> OperatorKind {
    let more = channels - shape[1]
    return .pad(Padding(begins: [0, more / 2, 0, 0], ends: [0, more - more / 2, 0, 0]))
  }
}
