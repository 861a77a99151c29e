#!/usr/bin/env python3
"""check_export.py [BUILD]: what cnn-export --onnx writes, against ONNX's checker and ONNX Runtime.

Networks of the zoo with random weights, float and int8, are written as bundle and as ONNX. onnx.checker must accept the model, and ONNX
Runtime must compute what libcnnrt computes, on a batch of images: within 1e-5 of the outputs' range (int8: that, or one of its 255 steps in at most 0.1 % of the
values), or no farther from it than twice what ONNX Runtime is from itself with and without its optimisations.

That last is what random weights need. They make of a last bit, layer by layer, more than trained ones do; and where ONNX Runtime adds up in
float32 what a quantized model says, libcnnrt adds up exactly: now and then a value falls on the other side of a half.

Quantized models run without ONNX Runtime's own int8 kernels (session.disable_quant_qdq), which on processors without VNNI add in 16 bits
and saturate; the float ones between DequantizeLinear and QuantizeLinear are what the model says.

BUILD (default .build/release) has cnn-bench, cnn-export and cnn-infer. Needs numpy, onnx and onnxruntime.
"""
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

BUILD = sys.argv[1] if len(sys.argv) > 1 else ".build/release"
NETWORKS = [
    ("seed", "28x28x1"), ("resnet8", "32x32x3"), ("resnet18", "64x64x3"), ("mobilenet_v1", "96x96x3"),
    ("mobilenet_v2", "96x96x3"), ("squeezenet1_1", "96x96x3"),
]
IMAGES = 16


def tool(name, *arguments):
    subprocess.run([os.path.join(BUILD, name), *arguments], check=True, stdout=subprocess.DEVNULL)


def run(path, images, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def check(folder, network, size, int8):
    """Compares one network; returns a row of the table and whether it holds."""
    bundle, model = os.path.join(folder, "model.cnn"), os.path.join(folder, "model.onnx")
    tool("cnn-bench", "--zoo", network, "--input", size, "--classes", "10", "--seconds", "0.01", "--save", bundle,
         *(["--int8"] if int8 else []))
    tool("cnn-export", bundle, "--onnx", model, "--quiet")
    onnx.checker.check_model(model, full_check=True)

    height, width, channels = map(int, size.split("x"))
    images = numpy.random.default_rng(7).uniform(-1.7, 1.7, (IMAGES, channels, height, width)).astype(numpy.float32)
    numpy.save(os.path.join(folder, "x.npy"), images)
    tool("cnn-infer", "--model", bundle, "--npy", os.path.join(folder, "x.npy"), "--save-npy",
         os.path.join(folder, "y.npy"))
    ours = numpy.load(os.path.join(folder, "y.npy"))
    theirs = run(model, images, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    plain = run(model, images, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)

    spread = theirs.max() - theirs.min()
    if not spread > 0.1 * abs(theirs).max():
        raise SystemExit(f"{network}: ONNX Runtime's outputs hardly differ")
    error, own = abs(ours - theirs).max() / spread, abs(plain - theirs).max() / spread
    same = (ours.argmax(1) == theirs.argmax(1)).mean()
    off = (abs(ours - theirs) > 1e-5 * spread).mean()
    good = error <= max(1e-5, 2 * own) or int8 and off <= 0.001 and error <= 1 / 255
    opset = onnx.load(model).opset_import[0].version
    kind = "int8" if int8 else "float"
    row = f"| {network} | {kind} | {opset} | {error:.1e} | {own:.1e} | {100 * same:.0f} % |"
    return row + ("" if good else " too far |"), good


def main():
    print(f"onnxruntime {onnxruntime.__version__}, {IMAGES} images")
    print("| network | type | opset | largest difference / range | ONNX Runtime's from itself | same best class |")
    print("| --- | --- | --- | --- | --- | --- |")
    failed = False
    for network, size in NETWORKS:
        for int8 in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                row, good = check(folder, network, size, int8)
            print(row, flush=True)
            failed = failed or not good
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
