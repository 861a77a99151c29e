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

  /// AlexNet on one processor (Krizhevsky 2014), as torchvision has it: without local response normalisation.
  @Sendable static func alexnet(_ task: Task) -> any Layer {
    Sequential {
      Conv2d(64, kernel: 11, stride: 4, padding: 2)
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

  /// VGG's configuration D (Simonyan and Zisserman 2014).
  @Sendable static func vgg16(_ task: Task) -> any Layer {
    Sequential {
      for (channels, layers) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..<layers {
          Conv2d(channels, kernel: 3, padding: 1)
          ReLU()
        }
        MaxPool(2)
      }
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
