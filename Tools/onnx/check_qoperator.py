#!/usr/bin/env python3
"""check_qoperator.py [BUILD]: quantized networks in ONNX Runtime's own int8 kernels and in libcnnrt, to the bit from image to result.

Networks of the zoo with random weights, exported by cnn-export, are quantized by onnxruntime.quantization into QLinear operators, of which two kinds have
kernels in ONNX Runtime that are exact on every processor: int8 activations with int8 weights per channel, and uint8 activations with uint8 weights
and a zero point. cnn-export imports them, nothing may be left in float, and the outputs of all images must be equal. (MobileNetV2 is there in int8 alone: of
its uint8 sums of two branches ONNX Runtime rounds one in 70,000 the other way.)

BUILD (default .build/release) has cnn-bench, cnn-export, cnn-infer and cnn-inspect. Needs numpy, onnx and onnxruntime.
"""
import json
import logging
import os
import subprocess
import sys
import tempfile

import numpy
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

BUILD = sys.argv[1] if len(sys.argv) > 1 else ".build/release"
INT8, UINT8 = quantization.QuantType.QInt8, quantization.QuantType.QUInt8
NETWORKS = [
    ("seed", "28x28x1", [INT8, UINT8]), ("resnet8", "32x32x3", [INT8, UINT8]), ("squeezenet1_1", "96x96x3", [INT8, UINT8]),
    ("mobilenet_v2", "96x96x3", [INT8]), ("efficientnet_lite0", "64x64x3", [INT8]),
]


def tool(name, *arguments):
    return subprocess.run([os.path.join(BUILD, name), *arguments], check=True, capture_output=True, text=True).stdout


class Images(quantization.CalibrationDataReader):
    def __init__(self, name, images):
        self.batches = iter([{name: image[None]} for image in images])

    def get_next(self):
        return next(self.batches, None)


def check(folder, network, size, kind):
    bundle, model, ready, quantized, x, y = (
        os.path.join(folder, name) for name in ("a.cnn", "a.onnx", "b.onnx", "c.onnx", "x.npy", "y.npy"))
    tool("cnn-bench", "--zoo", network, "--input", size, "--classes", "10", "--seconds", "0.01", "--save", bundle)
    tool("cnn-export", bundle, "--onnx", model)
    height, width, channels = map(int, size.split("x"))
    images = numpy.random.default_rng(7).uniform(-1.7, 1.7, (16, channels, height, width)).astype(numpy.float32)
    quant_pre_process(model, ready, skip_symbolic_shape=True)
    name = onnxruntime.InferenceSession(ready, providers=["CPUExecutionProvider"]).get_inputs()[0].name
    quantization.quantize_static(
        ready, quantized, Images(name, images[:4]), quant_format=quantization.QuantFormat.QOperator, per_channel=kind == INT8,
        activation_type=kind, weight_type=kind)
    theirs = onnxruntime.InferenceSession(quantized, providers=["CPUExecutionProvider"]).run(None, {name: images})[0]

    tool("cnn-export", quantized, "--out", bundle)
    mixed = json.loads(tool("cnn-inspect", bundle, "--json"))["mixed"]
    numpy.save(x, images)
    tool("cnn-infer", "--model", bundle, "--npy", x, "--save-npy", y)
    ours = numpy.load(y).reshape(theirs.shape)
    equal = (ours == theirs).mean()
    good = equal == 1 and not mixed and len(numpy.unique(theirs)) > 20
    print(f"{network:18} {kind.name[1:].lower():5} {100 * equal:.0f} % of {theirs.size} outputs equal"
          + (", float layers left" if mixed else "") + ("" if good else "   FAILED"), flush=True)
    return good


def main():
    logging.disable(logging.WARNING)
    results = []
    for network, size, kinds in NETWORKS:
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                results.append(check(folder, network, size, kind))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
