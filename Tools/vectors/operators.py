#!/usr/bin/env python3
"""Writes the vectors that the runtime's operators are compared with: single operators in PyTorch, or by ONNX's formulas in NumPy
where PyTorch's meaning is another (Resize, LRN, Pad, Slice).

    pip install torch numpy
    Tools/vectors/operators.py Tests/RuntimeTests/Vectors

operators.json has one operator a line, as Tests/RuntimeTests/OperatorSpec.swift reads it; operators.f32 has their results one after
another, float32, little-endian, computed in float64. Inputs and weights are a formula (`noise`), the same here and in the test.
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
lines, results = [], []


def noise(shape, seed: int) -> np.ndarray:
    state, values = seed & 0xFFFFFFFF, []
    for _ in range(int(np.prod(shape))):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append((state >> 16) / 32768 - 1)
    return np.array(values, dtype=np.float64).reshape(shape)


def constant(shape, seed: int) -> np.ndarray:
    return 0.5 * noise(shape, seed) + 1


class Case:
    """An operator; `y` is its result."""

    def __init__(self, op: str, *inputs, **spec):
        self.spec = {"op": op, "inputs": [list(i) for i in inputs], **spec}
        self.x = [torch.tensor(noise(shape, 1 + i) + 2 if op == "Div" and i == 1 else 3 * noise(shape, 1 + i))
                  for i, shape in enumerate(inputs)]

    def weight(self) -> torch.Tensor:
        # As stored in int8: whole 127ths.
        return torch.tensor(np.trunc(noise(self.spec["weight"], 50) * 127) / 127)

    def bias(self, count: int):
        return torch.tensor(noise([count], 60)) if self.spec.get("bias") else None

    def per_channel(self, k: int) -> torch.Tensor:
        return torch.tensor(constant([self.spec["perChannel"][k]], 70 + k))

    def plain(self, k: int) -> torch.Tensor:
        return torch.tensor(constant(self.spec["plain"][k], 80 + k))

    def done(self, y) -> None:
        y = np.asarray(y)
        if self.spec.get("relu"):
            y = np.maximum(y, 0)
        if self.spec.get("clip"):
            y = np.clip(y, *self.spec["clip"])
        self.spec["output"] = list(y.shape)
        lines.append(json.dumps(self.spec))
        results.append(y.astype("<f4").tobytes())


def window(kernel, stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), group=0, include=0, ceil=0):
    return [*kernel, *stride, *pads, *dilation, group, include, ceil]


def conv(x, outputs, kernel, stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), group=1, **rest):
    c = Case("Conv", x, weight=[outputs, x[1] // group, *kernel],
             window=window(kernel, stride, pads, dilation, group), **rest)
    padded = F.pad(c.x[0], (pads[1], pads[3], pads[0], pads[2]))
    c.done(F.conv2d(padded, c.weight(), c.bias(outputs), stride, 0, dilation, group))


conv([1, 1, 9, 8], 10, (3, 3), pads=(1, 1, 1, 1), bias=True)
conv([1, 3, 9, 11], 17, (3, 5), stride=(2, 1), pads=(0, 1, 2, 3), dilation=(1, 2), bias=True)
conv([1, 21, 5, 6], 33, (1, 1))
conv([1, 8, 7, 5], 12, (3, 3), pads=(1, 1, 1, 1), group=4, bias=True, relu=True)
conv([1, 48, 4, 5], 32, (3, 3), stride=(2, 2), pads=(1, 1, 1, 1), group=2)
conv([1, 30, 4, 4], 90, (2, 1), group=3, clip=[-0.5, 0.5])
conv([1, 20, 3, 4], 10, (1, 3), pads=(0, 1, 0, 1), group=10)
conv([1, 19, 9, 8], 19, (3, 3), stride=(2, 2), pads=(1, 1, 1, 1), group=19, bias=True)
conv([1, 3, 9, 9], 3, (5, 5), pads=(4, 4, 4, 4), dilation=(2, 2), group=3, clip=[0, 6])
conv([1, 33, 6, 7], 33, (1, 7), pads=(0, 3, 0, 3), group=33)
conv([1, 4, 5, 5], 8, (3, 3), pads=(1, 0, 1, 0), group=4)


def transposed(x, per_group, kernel, stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), group=1, extra=(0, 0), **rest):
    outputs = per_group * group
    c = Case("ConvTranspose", x, weight=[x[1], per_group, *kernel], integers=list(extra),
             window=window(kernel, stride, pads, dilation, group), **rest)
    y = F.conv_transpose2d(c.x[0], c.weight(), c.bias(outputs), stride, 0, 0, group, dilation)
    # ONNX: padding cuts off, output padding goes on behind, where only the bias is.
    height = (x[2] - 1) * stride[0] - pads[0] - pads[2] + dilation[0] * (kernel[0] - 1) + 1 + extra[0]
    width = (x[3] - 1) * stride[1] - pads[1] - pads[3] + dilation[1] * (kernel[1] - 1) + 1 + extra[1]
    bias = c.bias(outputs) if rest.get("bias") else torch.zeros(outputs)
    whole = bias.reshape(1, -1, 1, 1).expand(1, outputs, y.shape[2] + extra[0], y.shape[3] + extra[1]).clone()
    whole[:, :, :y.shape[2], :y.shape[3]] = y
    c.done(whole[:, :, pads[0]:pads[0] + height, pads[1]:pads[1] + width])


transposed([1, 5, 4, 3], 7, (3, 3), stride=(2, 2), pads=(1, 1, 1, 1), extra=(1, 1), bias=True)
transposed([1, 16, 3, 4], 20, (2, 2), stride=(2, 2), relu=True)
transposed([1, 3, 5, 4], 4, (4, 4), stride=(2, 2), pads=(1, 1, 1, 1))
transposed([1, 6, 4, 4], 3, (3, 2), stride=(1, 3), pads=(2, 0, 0, 1), dilation=(2, 1), group=3, bias=True)
transposed([1, 33, 2, 3], 9, (1, 1), stride=(3, 2), bias=True)
transposed([1, 18, 3, 3], 17, (5, 3), stride=(3, 1), pads=(1, 2, 2, 0), dilation=(1, 2), group=2, extra=(2, 0))
transposed([1, 8, 4, 4], 1, (3, 3), stride=(2, 2), pads=(1, 1, 1, 1), group=8, clip=[-1, 1])

for x, o in (([1, 35], 20), ([1, 3], 5)):
    c = Case("Gemm", x, weight=[o, x[1]], bias=True)
    c.done(F.linear(c.x[0], c.weight(), c.bias(o)))

c = Case("BatchNormalization", [1, 19, 4, 3], perChannel=[19] * 4, values=[1e-3])
c.done(F.batch_norm(c.x[0], c.per_channel(2), c.per_channel(3), c.per_channel(0), c.per_channel(1), False, 0, 1e-3))
c = Case("BatchNormalization", [1, 6, 5], perChannel=[6] * 4, values=[1e-5], clip=[-1, 2])
c.done(F.batch_norm(c.x[0], c.per_channel(2), c.per_channel(3), c.per_channel(0), c.per_channel(1), False, 0, 1e-5))

UNARY = [
    ("LeakyRelu", [0.01], [], lambda x: F.leaky_relu(x, 0.01)),
    ("Elu", [1.3], [], lambda x: F.elu(x, 1.3)),
    ("Sigmoid", [], [], torch.sigmoid),
    ("Tanh", [], [], torch.tanh),
    ("Swish", [1], [], F.silu),
    ("HardSigmoid", [1 / 6, 0.5], [], F.hardsigmoid),
    ("HardSwish", [], [], F.hardswish),
    ("Gelu", [], [0], F.gelu),
    ("Gelu", [], [1], lambda x: F.gelu(x, approximate="tanh")),
    ("Erf", [], [], torch.erf),
    ("Clip", [-0.5, 1.5], [], lambda x: x.clamp(-0.5, 1.5)),
    ("Relu", [], [], F.relu),
]
for op, values, integers, f in UNARY:
    for shape in ([1, 19, 3, 5], [1, 7, 11], [1, 21]):
        c = Case(op, shape, values=values, integers=integers)
        c.done(f(c.x[0]))
for shape in ([1, 18, 3, 2], [1, 5, 7]):
    c = Case("PRelu", shape, perChannel=[shape[1]])
    c.done(F.prelu(c.x[0], c.per_channel(0)))

for op, kind in (("MaxPool", "max"), ("AveragePool", "average")):
    for k, s, p, include in (((3, 3), (2, 2), 1, 0), ((2, 3), (1, 2), 0, 0), ((3, 3), (1, 1), 1, 1)):
        if kind == "max" and include:
            continue
        c = Case(op, [1, 18, 7, 8], window=window(k, s, (p,) * 4, include=include))
        c.done(F.max_pool2d(c.x[0], k, s, p) if kind == "max"
               else F.avg_pool2d(c.x[0], k, s, p, count_include_pad=bool(include)))

BINARY = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div}
for op, f in BINARY.items():
    for a, b in (([1, 18, 4, 3], [1, 18, 4, 3]), ([1, 18, 4, 3], [1, 18, 1, 1]), ([1, 1, 4, 3], [1, 18, 1, 3]),
                 ([1, 5, 7], [1, 1, 7]), ([1, 2, 3, 4, 5], [1, 1, 3, 1, 5]), ([1, 20], [1, 20])):
        c = Case(op, a, b)
        c.done(f(*c.x))
    for a, b in (([1, 18, 4, 3], [18, 1, 1]), ([1, 33, 2, 2], [1, 33, 2, 1]), ([1, 7, 9], [9]), ([1, 6, 5, 4], []),
                 ([1, 17], [17])):
        c = Case(op, a, plain=[b])
        c.done(f(c.x[0], c.plain(0)))
c = Case("Sub", [1, 18, 2, 2], plain=[[18, 1, 1]], constantFirst=True)
c.done(c.plain(0) - c.x[0])

for shape in ([1, 19], [1, 5, 4, 3], [1, 6, 33]):
    for axis in range(1, len(shape)):
        c = Case("Softmax", shape, integers=[axis])
        c.done(F.softmax(c.x[0], axis))

for size in (1, 3, 4, 5):
    c = Case("LRN", [1, 20, 3, 2], integers=[size], values=[0.3, 0.75, 1.5])
    x = c.x[0].numpy()
    y = np.empty_like(x)
    for i in range(20):
        near = x[:, max(0, i - (size - 1) // 2):min(19, i + math.ceil((size - 1) / 2)) + 1]
        y[:, i] = x[:, i] / (1.5 + 0.3 / size * (near**2).sum(1)) ** 0.75
    c.done(y)

for axis, parts in ((1, (16, 5, 20)), (2, (3, 1)), (1, (3, 1, 2)), (3, (4, 4))):
    shapes = []
    for part in parts:
        shape = [1, 18, 2, 3]
        shape[axis] = part
        shapes.append(shape)
    c = Case("Concat", *shapes, integers=[axis])
    c.done(torch.cat(c.x, axis))
c = Case("Concat", [1, 3, 5], [1, 4, 5], integers=[1])
c.done(torch.cat(c.x, 1))

for shape, starts, steps, y in (
    ([1, 40, 5, 6], [0, 16, 1, 0], [1, 1, 1, 1], [1, 24, 3, 6]),
    ([1, 20, 5, 6], [0, 3, 4, 5], [1, 2, -1, -2], [1, 8, 5, 3]),
    ([1, 7, 9], [0, 6, 0], [1, -3, 4], [1, 3, 3]),
    ([1, 33], [0, 1], [1, 1], [1, 30]),
):
    c = Case("Slice", shape, lists=[starts, steps])
    index = np.ix_(*[[s + k * d for k in range(n)] for s, d, n in zip(starts, steps, y)])
    c.done(c.x[0].numpy()[index])

for mode, name in enumerate(("constant", "edge", "reflect", "wrap")):
    for shape, begins, ends in (([1, 5, 4, 6], [0, 1, 2, 3], [0, 0, 1, 2]), ([1, 18, 3, 3], [0, 0, 1, 1], [0, 0, 1, 1]),
                                ([1, 6, 7], [0, 2, 0], [0, 3, 4])):
        c = Case("Pad", shape, integers=[mode], values=[0.25], lists=[begins + ends])
        pads = list(zip(begins, ends))
        c.done(np.pad(c.x[0].numpy(), pads, name, **({"constant_values": 0.25} if mode == 0 else {})))
c = Case("Pad", [1, 20, 5, 6], integers=[0], lists=[[0, -3, 1, -2, 0, 2, -1, 0]])
c.done(np.pad(c.x[0].numpy(), ((0, 0), (0, 2), (1, 0), (0, 0)))[:, 3:, :-1, 2:])

for a, b in (([1, 6, 4, 5], [1, 20, 3, 2]), ([1, 18, 2, 3], [1, 108]), ([1, 40], [1, 5, 2, 4]), ([1, 7, 6], [1, 3, 14]),
             ([1, 6, 4, 5], [1, 8, 15]), ([1, 24], [1, 2, 3, 1, 4])):
    c = Case("Reshape", a)
    c.done(c.x[0].reshape(b))
for shape, perm in (([1, 18, 3, 4], [0, 2, 3, 1]), ([1, 5, 6, 18], [0, 3, 1, 2]), ([1, 7, 9], [0, 2, 1]),
                    ([1, 2, 3, 4, 5], [0, 3, 1, 4, 2]), ([1, 20, 2, 3], [0, 1, 3, 2])):
    c = Case("Transpose", shape, integers=perm)
    c.done(c.x[0].permute(perm))
c = Case("Flatten", [1, 18, 3, 2])
c.done(c.x[0].flatten(1))
c = Case("Dropout", [1, 18, 3, 2], values=[0.4])
c.done(c.x[0])


def places(n: int, m: int, scale: float, coordinates: int) -> np.ndarray:
    i = np.arange(m)
    if coordinates == 1:
        return i / scale
    if coordinates == 2:
        return i * (n - 1) / (m - 1) if m > 1 else i * 0.0
    return i * 0.0 if coordinates == 3 and m == 1 else (i + 0.5) / scale - 0.5


ROUND = (lambda p: np.ceil(p - 0.5), lambda p: np.floor(p + 0.5), np.floor, np.ceil)
for coordinates in range(4):
    for (h, w), scales in (((10, 12), (2, 2)), ((3, 9), (0.6, 1.5)), ((1, 5), (0.25, 0.875))):
        x = [1, 18, 5, 6]
        for nearest in range(4):
            c = Case("Resize", x, integers=[0, coordinates, nearest], values=list(scales))
            rows, columns = (np.clip(ROUND[nearest](places(n, m, s, coordinates)), 0, n - 1).astype(int)
                             for n, m, s in ((5, h, scales[0]), (6, w, scales[1])))
            c.done(c.x[0].numpy()[:, :, rows][:, :, :, columns])
        c = Case("Resize", x, integers=[1, coordinates, 0], values=list(scales))
        y = c.x[0].numpy()
        for axis, n, m, s in ((2, 5, h, scales[0]), (3, 6, w, scales[1])):
            p = np.clip(places(n, m, s, coordinates), 0, n - 1)
            first = np.floor(p).astype(int)
            weight = (p - first).reshape([-1 if a == axis else 1 for a in range(4)])
            y = (np.take(y, first, axis) * (1 - weight) + np.take(y, np.minimum(first + 1, n - 1), axis) * weight)
        c.done(y)

for channels, b in ((5, 2), (16, 2), (3, 3)):
    c = Case("DepthToSpace", [1, channels * b * b, 3, 2], integers=[b, 1])
    c.done(F.pixel_shuffle(c.x[0], b))
    c = Case("DepthToSpace", [1, channels * b * b, 3, 2], integers=[b, 0])
    c.done(c.x[0].reshape(1, b, b, channels, 3, 2).permute(0, 3, 4, 1, 5, 2).reshape(1, channels, 3 * b, 2 * b))
    c = Case("SpaceToDepth", [1, channels, 3 * b, 2 * b], integers=[b])
    c.done(c.x[0].reshape(1, channels, 3, b, 2, b).permute(0, 3, 5, 1, 2, 4).reshape(1, channels * b * b, 3, 2))

REDUCE = {"ReduceMean": torch.mean, "ReduceSum": torch.sum, "ReduceMax": torch.amax, "ReduceMin": torch.amin}
for op, f in REDUCE.items():
    for shape, axes, keep in (([1, 18, 4, 5], (2, 3), 1), ([1, 18, 4, 5], (1,), 1), ([1, 18, 4, 5], (1, 3), 0),
                              ([1, 6, 7], (2,), 0), ([1, 40], (1,), 0), ([1, 2, 3, 4, 5], (2, 4), 1)):
        c = Case(op, shape, integers=[sum(1 << a for a in axes), keep])
        c.done(f(c.x[0], dim=axes, keepdim=bool(keep)))

for shape, axis, count in (([1, 7, 33], 2, 2), ([1, 3, 4, 5], 1, 1), ([1, 20], 1, 2), ([1, 3, 4, 5], 3, 0)):
    c = Case("LayerNormalization", shape, integers=[axis], values=[1e-4], plain=[shape[axis:]] * count)
    c.done(F.layer_norm(c.x[0], shape[axis:], c.plain(0) if count > 0 else None, c.plain(1) if count > 1 else None, 1e-4))
for shape, groups in (([1, 24, 3, 4], 4), ([1, 36, 2, 2], 2), ([1, 6, 10], 3)):
    c = Case("GroupNormalization", shape, integers=[groups], values=[1e-3], perChannel=[shape[1]] * 2)
    c.done(F.group_norm(c.x[0], groups, c.per_channel(0), c.per_channel(1), 1e-3))
for shape in ([1, 19, 4, 4], [1, 5, 9]):
    c = Case("InstanceNormalization", shape, values=[1e-4], perChannel=[shape[1]] * 2)
    c.done(F.instance_norm(c.x[0], None, None, c.per_channel(0), c.per_channel(1), eps=1e-4))

for a, b in (([1, 5, 7], [1, 7, 3]), ([1, 2, 5, 20], [1, 2, 20, 18]), ([1, 3, 1, 4, 6], [1, 1, 2, 6, 5]),
             ([1, 4, 6], [1, 3, 6, 2])):
    c = Case("MatMul", a, b)
    # The batch is of both, and not one of the axes that are aligned at the last.
    left = c.x[0].reshape([1] + [1] * (len(b) - len(a)) + a[1:])
    c.done(torch.matmul(left, c.x[1]))
for a, b in (([1, 9, 21], [21, 17]), ([1, 30], [30, 8]), ([1, 2, 3, 5], [2, 5, 4])):
    c = Case("MatMul", a, plain=[b])
    c.done(torch.matmul(c.x[0], c.plain(0)))

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
(folder / "operators.json").write_text("\n".join(lines) + "\n")
(folder / "operators.f32").write_bytes(b"".join(results))
print(f"{len(lines)} operators, {sum(map(len, results))} bytes")
