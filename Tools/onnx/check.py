"""What Tools/check-onnx runs: networks of torchvision, exported to ONNX and imported by cnn-export, against ONNX Runtime.

float      outputs within 1e-4 of their range, from both of torch's exporters
quantized  by onnxruntime.quantization (QDQ, per channel): each layer on ONNX Runtime's own input, equal to the bit (Conv, Gemm, pools) or at most one
           step apart in 0.1 % of the values; end to end the same top-1 on at least 99 % of the images
A comparison whose reference hardly varies from image to image fails.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")
import numpy
import onnx
import onnxruntime
import torch
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

import networks

# What ONNX Runtime computes in integers. (It has no integer ConvTranspose.)
EXACT = {"Conv", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool"}
QUICK = ["resnet18", "mobilenet_v3_small", "unet"]
failures = []


def runtime(model, activation=None):
    """A session for a model (a path, or a ModelProto) whose integers are exact: without these options ONNX Runtime saturates sums of u8·s8 where the
    processor has no VNNI, and computes int8 activations in float."""
    model = model if isinstance(model, onnx.ModelProto) else onnx.load(str(model))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = arguments.threads
    if activation == "uint8":
        options.add_session_config_entry("session.x64quantprecision", "1")
        model = with_float_factors(model)
    if activation == "int8":
        options.add_session_config_entry("session.qdqisint8allowed", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def with_float_factors(model):
    """The same model, whose int8 constants that are not weights of products are float: with session.x64quantprecision ONNX Runtime 1.32 fails on others."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    constants = {c.name: c for c in result.graph.initializer}
    products = {name for node in result.graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") for name in node.input}
    for node in list(result.graph.node):
        if node.op_type != "DequantizeLinear" or not all(name in constants for name in node.input) or node.output[0] in products:
            continue
        integers, scale, zero = (onnx.numpy_helper.to_array(constants[name]) for name in node.input)
        if integers.dtype != numpy.int8:
            continue
        shape = [-1 if k == 0 and scale.size > 1 else 1 for k in range(max(integers.ndim, 1))]
        assert scale.size == 1 or next((a.i for a in node.attribute if a.name == "axis"), 1) == 0
        floats = (integers.astype(numpy.int32) - zero.astype(numpy.int32).reshape(shape)).astype(numpy.float32) * scale.reshape(shape)
        result.graph.initializer.append(onnx.numpy_helper.from_array(floats.astype(numpy.float32).reshape(integers.shape), node.output[0]))
        result.graph.node.remove(node)
    return result


def imported(path, *flags):
    """The bundle that cnn-export makes of an ONNX file."""
    bundle = path.with_suffix(".cnn")
    result = subprocess.run([arguments.bin / "cnn-export", path, "--out", bundle, *flags], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr.strip() or f"cnn-export ended with {result.returncode}")
    return cnnrt.Model(bundle)


def report(name, what, text, good):
    print(f"{name:20} {what:26} {text}{'' if good else '   FAILED'}", flush=True)
    if not good:
        failures.append(f"{name} {what}")


def varies(reference):
    """How much the outputs for different images differ, relative to the range of all."""
    flat = reference.reshape(len(reference), -1)
    return numpy.abs(flat - flat.mean(0)).max() / (flat.max() - flat.min())


# ---- Float ----

def export(network, name, exporter):
    path = arguments.work / f"{name}-{exporter}.onnx"
    if path.exists():
        return path
    # Two, because torch.export takes a batch of one for a constant.
    image = networks.images(2, networks.size(name), 7)
    part = path.with_suffix(".part")
    if exporter == "dynamo":
        torch.onnx.export(network, (image,), str(part), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
                          verbose=False)
    else:
        torch.onnx.export(network, (image,), str(part), dynamo=False, opset_version=17, input_names=["input"], output_names=["output"],
                          dynamic_axes={"input": {0: "batch"}})
    part.rename(path)
    return path


def check_float(network, name, exporter):
    path = export(network, name, exporter)
    images = networks.images(4, networks.size(name), 8).numpy()
    session = runtime(path)
    expected = session.run(None, {session.get_inputs()[0].name: images})[0]
    ours = cnnrt.Session(imported(path, *input_flag(name)), threads=arguments.threads, batch=len(images))(images)[0]
    error = numpy.abs(ours.reshape(expected.shape) - expected).max() / (expected.max() - expected.min())
    variation = varies(expected)
    report(name, f"float, {exporter}", f"{error:.1e} of the range (images vary by {variation:.2f})", error <= 1e-4 and variation > 0.01)


def input_flag(name):
    side = networks.size(name)
    return ["--input", f"{side}x{side}x3"]


# ---- Quantized ----

class Calibration(quantization.CalibrationDataReader):
    def __init__(self, name, image):
        self.batches = iter([{name: image[i:i + 1]} for i in range(len(image))])

    def get_next(self):
        return next(self.batches, None)


def quantize(name, activation):
    source = arguments.work / f"{name}-script.onnx"
    path = arguments.work / f"{name}-{activation}.onnx"
    if path.exists():
        return path
    ready = arguments.work / f"{name}-ready.onnx"
    quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
    part = path.with_suffix(".part")
    types = {"uint8": quantization.QuantType.QUInt8, "int8": quantization.QuantType.QInt8}
    quantization.quantize_static(
        str(ready), str(part), Calibration("input", networks.images(8, networks.size(name), 9).numpy()), quant_format=quantization.QuantFormat.QDQ,
        per_channel=True, activation_type=types[activation], weight_type=quantization.QuantType.QInt8)
    ready.unlink()
    part.rename(path)
    return path


class Layers:
    """The parts of a QDQ graph between quantized tensors."""

    def __init__(self, model):
        self.model = model
        self.constants = {i.name: i for i in model.graph.initializer}
        self.producers = {output: node for node in model.graph.node for output in node.output}
        self.activations = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in self.constants]

    def region(self, output):
        """The nodes that make a quantized tensor of other quantized tensors, in order, and these; None for what begins in float."""
        order = {id(node): k for k, node in enumerate(self.model.graph.node)}
        nodes, inputs, pending = {}, [], [output]
        while pending:
            value = pending.pop()
            node = self.producers.get(value)
            if node is None:
                if value not in self.constants:
                    return None
                continue
            if id(node) in nodes:
                continue
            nodes[id(node)] = node
            if node.op_type == "DequantizeLinear" and node.input[0] not in self.constants:
                if node.input[0] not in inputs:
                    inputs.append(node.input[0])
                continue
            pending += [v for v in node.input if v]
        return sorted(nodes.values(), key=lambda n: order[id(n)]), inputs

    def is_integer(self, nodes):
        """Whether ONNX Runtime adds in integers: not where a bias has another scale than the products (its quantizer's choice for a bias of zeros)."""
        def scale(name):
            return onnx.numpy_helper.to_array(self.constants[self.producers[name].input[1]])
        return all(
            numpy.allclose(scale(node.input[2]), scale(node.input[0]) * scale(node.input[1]), rtol=1e-5, atol=0)
            for node in nodes if node.op_type in ("Conv", "Gemm") and len(node.input) > 2)

    def single(self, output, nodes, inputs, values):
        """A model of one region."""
        names = {v for node in nodes for v in node.input}
        def info(name):
            return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(values[name].dtype), values[name].shape)
        graph = onnx.helper.make_graph(nodes, "layer", [info(n) for n in inputs], [info(output)], [c for n, c in self.constants.items() if n in names])
        return onnx.helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)


def stored(array):
    """A quantized tensor as the bundle stores it: int8 becomes uint8."""
    return array if array.dtype == numpy.uint8 else (array.astype(numpy.int16) + 128).astype(numpy.uint8)


def check_layers(name, activation, path):
    model = onnx.load(str(path))
    layers = Layers(model)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    kind = onnx.TensorProto.UINT8 if activation == "uint8" else onnx.TensorProto.INT8
    known = {o.name for o in whole.graph.output}
    whole.graph.output.extend(onnx.helper.make_tensor_value_info(n, kind, None) for n in layers.activations if n not in known)
    image = networks.images(1, networks.size(name), 10).numpy()
    session = runtime(whole, activation)
    values = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": image})))
    exact, close, wrong, seen = 0, 0, [], 0
    part = arguments.work / "layer.onnx"
    for output in layers.activations:
        region = layers.region(output)
        if region is None:
            continue
        nodes, inputs = region
        operators = [n.op_type for n in nodes if n.op_type not in ("QuantizeLinear", "DequantizeLinear")]
        single = layers.single(output, nodes, inputs, values)
        onnx.save(single, str(part))
        expected = stored(runtime(single, activation).run(None, {n: values[n] for n in inputs})[0])
        seen += 1
        try:
            bundle = imported(part)
            ours = cnnrt.Session(bundle)
            for index, tensor in enumerate(bundle.inputs):
                ours.set_input(index, stored(values[inputs[index]]).reshape(tensor.shape))
            ours.run()
            got = ours.get_output(0, numpy.uint8).reshape(expected.shape)
        except Exception as error:
            wrong.append(f"{'+'.join(operators)} {output}: {error}")
            continue
        steps = numpy.abs(got.astype(int) - expected.astype(int))
        if not steps.any():
            exact += 1
        elif not (EXACT & set(operators) and layers.is_integer(nodes)) and steps.max() <= 1 and (steps > 0).mean() <= 0.001:
            close += 1
        else:
            wrong.append(f"{'+'.join(operators)} {output}: {(steps > 0).mean():.2%} of the values differ, by up to {steps.max()}")
    report(name, f"{activation}, layer by layer", f"{exact} exact, {close} within a step in 0.1 %, {len(wrong)} neither, of {seen}",
           not wrong and seen > 0)
    for text in wrong[:12]:
        print(f"{'':20} {text[:220]}")


def check_top1(name, activation, path):
    session = runtime(path, activation)
    ours = cnnrt.Session(imported(path, *input_flag(name)), threads=arguments.threads)
    agree, total, classes = 0, 0, set()
    for start in range(0, arguments.images, 16):
        images = networks.images(16, networks.size(name), 2000 + start).numpy()
        for image in images:
            expected = session.run(None, {"input": image[None]})[0]
            got = ours(image[None])[0].reshape(expected.shape)
            if expected.ndim == 2:
                agree, total = agree + int(expected.argmax() == got.argmax()), total + 1
                classes.add(int(expected.argmax()))
            else:
                agree += float((expected.argmax(1) == got.argmax(1)).mean())
                total += 1
                classes |= set(numpy.unique(expected.argmax(1)).tolist())
    report(name, f"{activation}, top-1", f"{agree / total:.2%} of {total} agree ({len(classes)} classes)", agree / total >= 0.99 and len(classes) > 1)


def main():
    for name in arguments.networks:
        network = networks.make(name)
        for exporter in ("script", "dynamo"):
            guarded(name, f"float, {exporter}", lambda: check_float(network, name, exporter))
        del network
        for activation in ("uint8", "int8"):
            def both():
                path = quantize(name, activation)
                check_layers(name, activation, path)
                check_top1(name, activation, path)
            guarded(name, activation, both)
    print(f"{len(failures)} comparisons failed" + (": " + ", ".join(failures) if failures else ""))
    return 1 if failures else 0


def guarded(name, what, check):
    try:
        check()
    except Exception as error:
        report(name, what, str(error).splitlines()[0][:200] if str(error) else repr(error), False)


parser = argparse.ArgumentParser()
parser.add_argument("--bin", type=pathlib.Path, required=True)
parser.add_argument("--work", type=pathlib.Path, required=True)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--images", type=int, default=256)
parser.add_argument("--quick", action="store_true")
parser.add_argument("networks", nargs="*")
arguments = parser.parse_args()
arguments.work.mkdir(parents=True, exist_ok=True)
if not arguments.networks:
    arguments.networks = QUICK if arguments.quick else networks.NAMES
if arguments.quick:
    arguments.images = 32
os.environ.setdefault("CNNRT_LIBRARY", str(arguments.bin / "libcnnrt.so"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Python"))
torch.set_num_threads(arguments.threads)
import cnnrt

sys.exit(main())
