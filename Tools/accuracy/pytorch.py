"""Trains the networks of `cnn-train` in PyTorch, with the same recipe, for comparing accuracies.

usage: pytorch.py MODEL SEED EPOCHS --data FOLDER [--threads N]        MODEL: resnet8 | mobilenet_v2
Prints one JSON line: model, seed, epochs, accuracy on the 10,000 test images (read once, at the end), seconds. Run by Tools/compare-accuracy.
"""
import argparse
import gzip
import json
import time

import numpy as np
import torch
from torch import nn


class ResNet8(nn.Module):
    """MLPerf Tiny's image classification reference network."""

    def __init__(self, channels, classes):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.bodies, self.shortcuts = nn.ModuleList(), nn.ModuleList()
        width = 16
        for out, stride in [(16, 1), (32, 2), (64, 2)]:
            self.bodies.append(nn.Sequential(
                nn.Conv2d(width, out, 3, stride, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
                nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out)))
            self.shortcuts.append(nn.Identity() if stride == 1 else nn.Conv2d(width, out, 1, stride))
            width = out
        self.last = nn.Linear(64, classes)

    def forward(self, x):
        x = self.first(x)
        for body, shortcut in zip(self.bodies, self.shortcuts):
            x = torch.relu(body(x) + shortcut(x))
        return self.last(x.mean((2, 3)))


def divisible(x):
    n = max(8, int(x + 4) // 8 * 8)
    return n + 8 if n < 0.9 * x else n


class InvertedResidual(nn.Module):
    def __init__(self, inp, out, stride, expand):
        super().__init__()
        hidden = inp * expand
        layers = []
        if expand != 1:
            layers += [nn.Conv2d(inp, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers += [nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(),
                   nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.body = nn.Sequential(*layers)
        self.skip = stride == 1 and inp == out

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, with the strides for small inputs: the first convolution and the 64-channel stage keep the size."""

    def __init__(self, channels, classes, width):
        super().__init__()
        w = divisible(32 * width)
        layers = [nn.Conv2d(channels, w, 3, 1, 1, bias=False), nn.BatchNorm2d(w), nn.ReLU6()]
        for t, c, n, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 1), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
            out = divisible(c * width)
            for i in range(n):
                layers.append(InvertedResidual(w, out, s if i == 0 else 1, t))
                w = out
        last = divisible(1280 * max(1.0, width))
        layers += [nn.Conv2d(w, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def idx(name):
    with gzip.open(name, "rb") as f:
        data = f.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape).copy())


def augment(x, generator, shift):
    """Each image turned left to right with probability 1/2, then moved by up to `shift` pixels each way, zeros coming in."""
    n, c, h, w = x.shape
    flip = torch.rand(n, generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    padded = nn.functional.pad(x, [shift] * 4)
    dy = torch.randint(0, 2 * shift + 1, (n,), generator=generator)
    dx = torch.randint(0, 2 * shift + 1, (n,), generator=generator)
    rows = (dy[:, None] + torch.arange(h))[:, None, :, None]
    columns = (dx[:, None] + torch.arange(w))[:, None, None, :]
    return padded[torch.arange(n)[:, None, None, None], torch.arange(c)[None, :, None, None], rows, columns]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model", choices=["resnet8", "mobilenet_v2"])
    p.add_argument("seed", type=int)
    p.add_argument("epochs", type=int)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--width", type=float, default=0.35)
    p.add_argument("--rate", type=float, default=0.005)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--data", required=True)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    generator = torch.Generator().manual_seed(o.seed)
    images = idx(f"{o.data}/train-images-idx3-ubyte.gz")[:, None].float() / 255
    labels = idx(f"{o.data}/train-labels-idx1-ubyte.gz").long()
    kept = torch.randperm(60000, generator=generator)[:55000]
    images, labels = images[kept], labels[kept]
    mean, deviation = images.mean(), images.std()
    model = ResNet8(1, 10) if o.model == "resnet8" else MobileNetV2(1, 10, o.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=o.rate, weight_decay=0.01)
    steps = len(images) // o.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, o.rate, total_steps=o.epochs * steps, cycle_momentum=False)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    start = time.time()
    for epoch in range(o.epochs):
        order = torch.randperm(len(images), generator=generator)
        for i in range(steps):
            batch = order[i * o.batch:(i + 1) * o.batch]
            x = (augment(images[batch], generator, 2) - mean) / deviation
            loss = loss_of(model(x), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.time() - start
    model.eval()
    test = (idx(f"{o.data}/t10k-images-idx3-ubyte.gz")[:, None].float() / 255 - mean) / deviation
    wanted = idx(f"{o.data}/t10k-labels-idx1-ubyte.gz").long()
    with torch.no_grad():
        correct = sum((model(test[i:i + 500]).argmax(1) == wanted[i:i + 500]).sum().item() for i in range(0, 10000, 500))
    print(json.dumps({"framework": "pytorch", "model": o.model, "seed": o.seed, "epochs": o.epochs, "accuracy": correct / 100,
                      "parameters": sum(p.numel() for p in model.parameters()), "seconds": round(seconds, 1)}), flush=True)


main()
