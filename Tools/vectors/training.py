#!/usr/bin/env python3
"""Writes the vectors that the trainer is compared with: whole steps of the seed network in PyTorch.

    pip install torch numpy
    Tools/vectors/training.py Tests/TrainingTests/Vectors

Computed in float64, so that the files have no rounding but their own (PyTorch's float32 steps with weight decay are further from
these than the trainer's). One file for each optimizer, float32, little-endian, nothing but numbers: the seed of the
images; for each step its loss, then (adam's step 1 only) the
gradient of each parameter, or (clipping only) the norm of all gradients; after the last step the parameters and the running statistics; last the loss in evaluation
mode. The initial parameters and the images are a formula (`noise`), the same here and in the test, so they need no file.
"""
import dataclasses
import pathlib
import struct
import sys

import torch
from torch import nn

STEPS = 3
BATCH = 4
# Closer than this to a bend of a ReLU or a tie in a max pool, float32 may take the other side.
MARGIN = 1e-6


def noise(count: int, seed: int) -> torch.Tensor:
    """Numbers in -1 ... 1 that any language makes alike: a linear congruential generator's upper 16 bits."""
    state, values = seed & 0xFFFFFFFF, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append((state >> 16) / 32768 - 1)
    return torch.tensor(values, dtype=torch.float32)


def block(inputs: int, outputs: int, pool: bool) -> list[nn.Module]:
    # Without a bias, whose gradient before a batch normalisation is nothing but rounding.
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return layers + [nn.MaxPool2d(2)] if pool else layers


def seed_network() -> nn.Module:
    model = nn.Sequential(
        *block(1, 10, True), *block(10, 10, False), *block(10, 20, False), *block(20, 20, True),
        nn.Flatten(), nn.Linear(980, 10))
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            values = noise(parameter.numel(), 100 + index).reshape(parameter.shape)
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 0
            # Weights by their inputs; scales around 1, shifts and biases around 0.
            is_scale = fan_in == 0 and any(parameter is m.weight for m in model if isinstance(m, nn.BatchNorm2d))
            parameter.copy_(values * (1.7 / fan_in**0.5) if fan_in else values * 0.2 + (1 if is_scale else 0))
    return model


CLASSES = 10
CLASS_WEIGHTS = [0.25 + 0.5 * c for c in range(CLASSES)]


def adam(parameters, **more):
    return torch.optim.Adam(parameters, lr=0.001, **more)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.0005)


def mixed(labels: torch.Tensor, step: int) -> torch.Tensor:
    """Probabilities as mixup makes them: three parts of a label and one of the next image's, then 0.7 and 0.3, …"""
    share = 0.75 - 0.05 * step
    one_hot = nn.functional.one_hot(labels, CLASSES).double()
    return share * one_hot + (1 - share) * one_hot.roll(-1, 0)


@dataclasses.dataclass
class Case:
    """How a file's steps are made."""
    optimizer: object
    smoothing: float = 0
    weights: bool = False
    mixes: bool = False
    clip: float = 0


CASES = {
    "adam": Case(adam),
    "adam-decay": Case(lambda p: adam(p, weight_decay=0.01)),
    "sgd-momentum-decay": Case(sgd),
    # A decay that shows in three steps.
    "adamw": Case(lambda p: torch.optim.AdamW(p, lr=0.001, weight_decay=5)),
    "label-smoothing": Case(sgd, smoothing=0.1),
    "class-weights": Case(sgd, weights=True),
    "class-weights-smoothing": Case(sgd, smoothing=0.1, weights=True),
    "clipping": Case(sgd, clip=0.5),
    "targets": Case(sgd, mixes=True),
    "targets-class-weights-smoothing": Case(sgd, smoothing=0.1, weights=True, mixes=True),
}


def watch(model: nn.Module) -> list[float]:
    """The distances of all runs of `model` from where its gradient jumps, to be filled by them."""
    margins = []

    def relu(_, inputs, __):
        margins.append(inputs[0].abs().min().item())

    def pool(_, inputs, __):
        windows = inputs[0].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        two = windows.topk(2).values
        gaps = (two[..., 0] - two[..., 1])[two[..., 0] > 0]
        margins.append(gaps.min().item())

    for module in model:
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(relu)
        elif isinstance(module, nn.MaxPool2d):
            module.register_forward_hook(pool)
    return margins


def steps(case: Case, with_gradients: bool, seed: int) -> list[torch.Tensor] | None:
    """None where a float32 run may differ by more than rounding."""
    model = seed_network().double()
    margins = watch(model)
    optimizer = case.optimizer(model.parameters())
    weights = torch.tensor(CLASS_WEIGHTS).double() if case.weights else None
    criterion = nn.CrossEntropyLoss(weight=weights, label_smoothing=case.smoothing)
    out = [torch.tensor([seed])]
    for step in range(STEPS):
        images = noise(BATCH * 784, seed + step).reshape(BATCH, 1, 28, 28).double()
        labels = torch.arange(BATCH).mul(7).add(step).remainder(10)
        optimizer.zero_grad()
        loss = criterion(model(images), mixed(labels, step) if case.mixes else labels)
        loss.backward()
        out.append(loss.detach().reshape(1))
        if step == 0 and with_gradients:
            out += [p.grad.clone().reshape(-1) for p in model.parameters()]
        if case.clip:
            norm = nn.utils.clip_grad_norm_(model.parameters(), case.clip)
            assert norm > case.clip or step > 0
            out.append(norm.reshape(1))
        optimizer.step()
    out += [p.detach().reshape(-1) for p in model.parameters()]
    for module in model:
        if isinstance(module, nn.BatchNorm2d):
            out += [module.running_mean, module.running_var]
    if min(margins) < MARGIN:
        return None
    model.eval()
    with torch.no_grad():
        out.append(nn.functional.cross_entropy(model(images), labels).reshape(1))
    return out


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for index, (name, case) in enumerate(CASES.items()):
        tries = (steps(case, index == 0, seed) for seed in range(1000, 2000, 10))
        values = torch.cat([part.double() for part in next(t for t in tries if t)]).tolist()
        (folder / f"{name}.f32").write_bytes(struct.pack(f"<{len(values)}f", *values))


if __name__ == "__main__":
    main()
