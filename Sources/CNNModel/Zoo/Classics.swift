extension Zoo {
  /// LeNet-5 as Caffe has it (LeCun et al. 1998, with max pooling and ReLU): 431,080 parameters for 28×28×1 and 10
  /// classes.
  @Sendable static func lenet5(_ task: Task) -> any Layer {
    Sequential {
      Conv2d(20, kernel: 5)
      MaxPool(2)
      Conv2d(50, kernel: 5)
      MaxPool(2)
      Flatten()
      Linear(500)
      ReLU()
      Linear(task.classes)
      Softmax()
    }
  }

  /// AlexNet on one processor (Krizhevsky 2014), as torchvision has it: without local response normalisation. For small
  /// images the first convolution is 3×3 and keeps the size.
  @Sendable static func alexnet(_ task: Task) -> any Layer {
    Sequential {
      if task.isSmall {
        Conv2d(64, kernel: 3, padding: 1)
      } else {
        Conv2d(64, kernel: 11, stride: 4, padding: 2)
      }
      ReLU()
      MaxPool(3, stride: 2)
      Conv2d(192, kernel: 5, padding: 2)
      ReLU()
      MaxPool(3, stride: 2)
      Conv2d(384, kernel: 3, padding: 1)
      ReLU()
      Conv2d(256, kernel: 3, padding: 1)
      ReLU()
      Conv2d(256, kernel: 3, padding: 1)
      ReLU()
      MaxPool(3, stride: 2)

      Flatten()
      Dropout(0.5)
      Linear(4096)
      ReLU()
      Dropout(0.5)
      Linear(4096)
      ReLU()
      Linear(task.classes)
      Softmax()
    }
  }

  /// AlexNet in two halves with local response normalisation (Krizhevsky et al. 2012), as Caffe's bvlc_alexnet has it,
  /// for images of 227×227. For small images the first convolution is 3×3 and keeps the size.
  @Sendable static func alexnetLRN(_ task: Task) -> any Layer {
    Sequential {
      if task.isSmall {
        Conv2d(96, kernel: 3, padding: 1)
      } else {
        Conv2d(96, kernel: 11, stride: 4)
      }
      ReLU()
      LocalResponseNorm(5, alpha: 1e-4, beta: 0.75)
      MaxPool(3, stride: 2, ceilMode: true)
      Conv2d(256, kernel: 5, padding: 2, groups: 2)
      ReLU()
      LocalResponseNorm(5, alpha: 1e-4, beta: 0.75)
      MaxPool(3, stride: 2, ceilMode: true)
      Conv2d(384, kernel: 3, padding: 1)
      ReLU()
      Conv2d(384, kernel: 3, padding: 1, groups: 2)
      ReLU()
      Conv2d(256, kernel: 3, padding: 1, groups: 2)
      ReLU()
      MaxPool(3, stride: 2, ceilMode: true)

      wideClassifier(task)
    }
  }

  /// VGG (Simonyan and Zisserman 2014) with so many convolutions in each of its five stages. For small images the fully
  /// connected layers of 4096 are left out, as is usual for CIFAR.
  static func vgg(_ task: Task, convolutions: [Int], normalized: Bool = false) -> any Layer {
    Sequential {
      for (channels, count) in zip([64, 128, 256, 512, 512], convolutions) {
        for _ in 0..<count {
          Conv2d(channels, kernel: 3, padding: 1)
          if normalized { BatchNorm() }
          ReLU()
        }
        MaxPool(2, ceilMode: task.isSmall)
      }
      if task.isSmall { head(task) } else { wideClassifier(task) }
    }
  }

  /// Two fully connected layers of 4096 before the classes.
  private static func wideClassifier(_ task: Task) -> Sequential {
    Sequential {
      Flatten()
      for _ in 0..<2 {
        Linear(4096)
        ReLU()
        Dropout(0.5)
      }
      Linear(task.classes)
      Softmax()
    }
  }

  /// SqueezeNet 1.1 (Iandola et al. 2016).
  @Sendable static func squeezenet1_1(_ task: Task) -> any Layer {
    Sequential {
      Conv2d(64, kernel: 3, stride: 2)
      ReLU()
      for fires in [[(16, 64), (16, 64)], [(32, 128), (32, 128)], [(48, 192), (48, 192), (64, 256), (64, 256)]] {
        MaxPool(3, stride: 2, ceilMode: true)
        for (squeeze, expand) in fires { fire(squeeze, expand) }
      }
      Dropout(0.5)
      Conv2d(task.classes, kernel: 1)
      ReLU()
      GlobalAveragePool()
      Flatten()
      Softmax()
    }
  }

  private static func fire(_ squeeze: Int, _ expand: Int) -> Sequential {
    Sequential {
      Conv2d(squeeze, kernel: 1)
      ReLU()
      Concat {
        Sequential {
          Conv2d(expand, kernel: 1)
          ReLU()
        }
        Sequential {
          Conv2d(expand, kernel: 3, padding: 1)
          ReLU()
        }
      }
    }
  }
}
