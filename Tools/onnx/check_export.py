#!/usr/bin/env python3
"""check_export.py [BUILD]: what cnn-export --onnx writes, against ONNX's checker and ONNX Runtime.

Networks of the zoo with random weights, float and int8, are written as bundle and as ONNX. onnx.checker must accept the model, and ONNX
Runtime must compute what libcnnrt computes, on a batch of images:

float   outputs within 1e-5 of their range, or as near as twice what ONNX Runtime is from itself with and without its optimisations
int8    each layer that reads one tensor, given ONNX Runtime's own input: at most one step apart, in at most 0.1 % of the values. (ONNX Runtime adds up in
        float32 what libcnnrt adds up exactly: now and then a value falls on the other side of a half.)
        And the best class of the whole network, for images where it leads by more than twice what ONNX Runtime is from itself: random weights make
        more of a last bit, layer by layer, than trained ones do.

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


def run(model, images, optimized=True):
    """All outputs, by name."""
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(None, {session.get_inputs()[0].name: images})
    return dict(zip([output.name for output in session.get_outputs()], values))


def infer(folder, bundle, images):
    x, y = os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")
    numpy.save(x, images)
    tool("cnn-infer", "--model", bundle, "--npy", x, "--save-npy", y)
    return numpy.load(y)


def layers(model):
    """Of a QDQ model, what lies between one quantized tensor and another: the DequantizeLinear, the nodes, the QuantizeLinear."""
    constants = {initializer.name for initializer in model.graph.initializer}
    producers = {node.output[0]: node for node in model.graph.node}
    for last in model.graph.node:
        nodes, begins, pending = [], [], [last]
        while pending:
            node = pending.pop()
            if node in nodes:
                continue
            nodes.append(node)
            if node.op_type == "DequantizeLinear" and node.input[0] not in constants:
                begins.append(node)
            else:
                pending += [producers[name] for name in node.input if name in producers]
        if last.op_type == "QuantizeLinear" and len(begins) == 1 and begins[0].input[0] in producers:
            order = [node for node in model.graph.node if node in nodes]
            yield begins[0], order, last


def check_layers(folder, model, images):
    """The largest difference in steps, the largest share of values that differ, and the number of layers."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    stored = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    whole.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.UINT8, None) for n in stored)
    values = run(whole, images, optimized=False)
    constants = {initializer.name: initializer for initializer in model.graph.initializer}
    numbers = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in constants.items() if not tensor.dims}
    worst, share, count = 0, 0, 0
    for first, nodes, last in layers(model):
        # The part with a QuantizeLinear before and a DequantizeLinear behind, so that both sides are float.
        part = [onnx.helper.make_node("QuantizeLinear", ["x", *first.input[1:]], [first.input[0]])]
        part += nodes + [onnx.helper.make_node("DequantizeLinear", [last.output[0], *last.input[1:]], ["y"])]
        used = {name for node in part for name in node.input}
        x, expected = values[first.input[0]], values[last.output[0]]
        shapes = [[None, *x.shape[1:]], [None, *expected.shape[1:]]]
        graph = onnx.helper.make_graph(
            part, "layer", [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shapes[0])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shapes[1])],
            [constants[name] for name in constants if name in used])
        path, bundle = os.path.join(folder, "layer.onnx"), os.path.join(folder, "layer.cnn")
        onnx.save(onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), path)
        tool("cnn-export", path, "--out", bundle, "--quiet")
        scale, zero = numbers[first.input[1]], numbers[first.input[2]]
        ours = infer(folder, bundle, (x.astype(numpy.float32) - zero) * scale)
        scale, zero = numbers[last.input[1]], numbers[last.input[2]]
        steps = abs(ours.reshape(expected.shape) / scale + zero - expected).round()
        worst, share, count = max(worst, steps.max()), max(share, (steps > 0).mean()), count + 1
    return worst, share, count


def check(folder, network, size, int8):
    """Compares one network; returns a row of the table and whether it holds."""
    bundle, path = os.path.join(folder, "model.cnn"), os.path.join(folder, "model.onnx")
    tool("cnn-bench", "--zoo", network, "--input", size, "--classes", "10", "--seconds", "0.01", "--save", bundle,
         *(["--int8"] if int8 else []))
    tool("cnn-export", bundle, "--onnx", path, "--quiet")
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)

    height, width, channels = map(int, size.split("x"))
    images = numpy.random.default_rng(7).uniform(-1.7, 1.7, (IMAGES, channels, height, width)).astype(numpy.float32)
    name = model.graph.output[0].name
    ours, theirs, plain = infer(folder, bundle, images), run(model, images)[name], run(model, images, False)[name]
    spread = theirs.max() - theirs.min()
    if not spread > 0.1 * abs(theirs).max():
        raise SystemExit(f"{network}: ONNX Runtime's outputs hardly differ")
    error, own = abs(ours - theirs).max() / spread, abs(plain - theirs).max() / spread
    # Images whose best class is not in doubt, as far as ONNX Runtime differs from itself.
    ranked = numpy.sort(theirs, 1)
    firm = ranked[:, -1] - ranked[:, -2] > 2 * abs(plain - theirs).max()
    same = (ours.argmax(1) == theirs.argmax(1))[firm].all()
    text = f"{network:14} opset {model.opset_import[0].version}  "
    if not int8:
        return text + f"float  {error:.1e} of the range (ONNX Runtime from itself {own:.1e})", error <= max(1e-5, 2 * own)
    worst, share, count = check_layers(folder, model, images[:4])
    text += f"int8   {count} layers, at most {worst:.0f} steps, in {100 * share:.3f} % of the values; best class of {firm.sum()} images "
    return text + ("equal" if same else "differs"), same and worst <= 1 and share <= 0.001


def main():
    print(f"onnxruntime {onnxruntime.__version__}, {IMAGES} images")
    failed = False
    for network, size in NETWORKS:
        for int8 in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                text, good = check(folder, network, size, int8)
            print(text + ("" if good else "   FAILED"), flush=True)
            failed = failed or not good
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
