#!/usr/bin/env python3
"""Prints the rates that Tests/ToolTests/ScheduleTests.swift compares cnn-train's with: PyTorch's schedulers of the same names, stepped
after each batch. The warm-up is LinearLR from 1/(W + 1), so that the first step has that part of the rate and step W the whole.

    pip install torch
    Tools/vectors/schedules.py
"""
import torch
from torch.optim import lr_scheduler as schedulers

RATE = 0.02


def rates(make, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=RATE)
    scheduler, out = make(optimizer), []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


def warm(optimizer, steps: int, after):
    linear = schedulers.LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)
    return schedulers.SequentialLR(optimizer, [linear, after], milestones=[steps])


CASES = {
    "one-cycle": lambda o: schedulers.OneCycleLR(o, max_lr=RATE, total_steps=24, cycle_momentum=False),
    "step": lambda o: schedulers.StepLR(o, step_size=6, gamma=0.3),
    "step, warm-up of 5": lambda o: warm(o, 5, schedulers.StepLR(o, step_size=6, gamma=0.3)),
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, T_max=24),
    "cosine, warm-up of 4": lambda o: warm(o, 4, schedulers.CosineAnnealingLR(o, T_max=20)),
    "constant, warm-up of 8": lambda o: warm(o, 8, schedulers.ConstantLR(o, factor=1)),
}

for name, make in CASES.items():
    print(name, ", ".join(f"{rate:.9g}" for rate in rates(make, 24)))
