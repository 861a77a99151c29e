/// Densely connected networks (Huang et al. 2016).
extension Zoo {
  /// DenseNet-121: in each block, 32 channels more are made of all that there are.
  @Sendable static func densenet121(_ task: Task) -> any Layer {
    let growth = 32
    return Sequential {
      stem(task)
      for (layers, transition) in [(6, 128), (12, 256), (24, 512), (16, nil)] {
        for _ in 0..<layers {
          Concat {
            Identity()
            Sequential {
              BatchNorm()
              ReLU()
              Conv2d(4 * growth, kernel: 1, bias: false)
              BatchNorm()
              ReLU()
              Conv2d(growth, kernel: 3, padding: 1, bias: false)
            }
          }
        }
        BatchNorm()
        ReLU()
        if let transition {
          Conv2d(transition, kernel: 1, bias: false)
          AveragePool(2)
        }
      }
      head(task)
    }
  }
}
