extension Zoo {
  /// The project's first network: four small convolutions, 16 thousand parameters on 28×28 grey images.
  @Sendable static func seed(_ task: Task) -> any Layer {
    Sequential {
      Conv2d(10, kernel: 3, padding: 1)
      BatchNorm()
      ReLU()
      MaxPool(2)

      Conv2d(10, kernel: 3, padding: 1)
      BatchNorm()
      ReLU()

      Conv2d(20, kernel: 3, padding: 1)
      BatchNorm()
      ReLU()

      Conv2d(20, kernel: 3, padding: 1)
      BatchNorm()
      ReLU()
      MaxPool(2)

      Flatten()
      Linear(task.classes)
      Softmax()
    }
  }
}
