import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan
import CVector

// LayerNormalization (Ba, Kiros & Hinton 2016) of rows that lie side by side: as group normalisation, with a scale and a bias
// for each place of a row.

extension TrainingPlan {
  mutating func addLayerNormalization(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.weight = try parameters.addPlain(model, model.input(layer.number, 1))
    layer.bias = try parameters.addPlain(model, model.input(layer.number, 2))
    append(layer)
  }

  mutating func layerNormalizationBackward(_ i: Int) {
    if layers[i].weight >= 0 || layers[i].bias >= 0 {
      emit(.parameterGradient, i, source: gradient(layers[i].y), value(layers[i].x))
    }
    emitGradient(i, uses: value(layers[i].x))
  }
}

extension Trainer {
  func layerNormalization(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var n = layer.calls![0].load(as: cnn_layer_norm.self)
      n.x += shift(layer.x, image, images.share)
      n.y += shift(layer.y, image, images.share)
      n.scale = layer.weight < 0 ? nil : UnsafePointer(values(layer.weight))
      n.bias = layer.bias < 0 ? nil : UnsafePointer(values(layer.bias))
      kernels.layer_norm_f32(&n, 0, 1)
    }
  }

  func layerNormalizationParameters(_ layer: Layer, _ images: Images) {
    let scales = partial(layer.weight).map { $0 + images.share * plan.parameters.elements }
    let biases = partial(layer.bias).map { $0 + images.share * plan.parameters.elements }
    forEachRow(layer, images) { x, dy, _, length, mean, inverse in
      for i in 0..<length {
        scales?[i] += dy[i] * (x[i] - mean) * inverse
        biases?[i] += dy[i]
      }
    }
  }

  func layerNormalizationGradient(_ layer: Layer, target: Int, _ images: Images) {
    let scale = layer.weight < 0 ? nil : values(layer.weight), dx = floats(target, images)
    forEachRow(layer, images) { x, dy, start, length, mean, inverse in
      var sum = 0.0, product = 0.0
      for i in 0..<length {
        let g = dy[i] * (scale.map { $0[i] } ?? 1)
        sum += Double(g)
        product += Double(g * (x[i] - mean))
      }
      let average = Float(sum / Double(length))
      let slope = Float(product / Double(length)) * inverse * inverse
      for i in 0..<length {
        let g = dy[i] * (scale.map { $0[i] } ?? 1)
        dx[start + i] = inverse * (g - average - (x[i] - mean) * slope)
      }
    }
  }

  @inline(__always)
  private func forEachRow(
    _ layer: Layer, _ images: Images,
    _ body: (
      _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ start: Int, _ length: Int, _ mean: Float,
      _ inverse: Float
    ) -> Void
  ) {
    let n = layer.calls![0].load(as: cnn_layer_norm.self), length = Int(n.length)
    for row in 0..<Int(n.rows) {
      let start = row * length
      let x = UnsafePointer(floats(layer.x, images) + start)
      let dy = UnsafePointer(floats(plan.gradient(layer.y), images) + start)
      var sum = 0.0, squares = 0.0
      for i in 0..<length { sum += Double(x[i]) }
      let mean = sum / Double(length)
      for i in 0..<length { squares += (Double(x[i]) - mean) * (Double(x[i]) - mean) }
      let inverse = 1 / cv_square_root(squares / Double(length) + Double(n.epsilon))
      body(x, dy, start, length, Float(mean), Float(inverse))
    }
  }
}
