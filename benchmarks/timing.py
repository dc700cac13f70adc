"""Cost in gradient passes: process time over that of a gradient taken beside it."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from helpers.curvature.losses import half_square

CHUNK = (
    50  # the fastest gradient pass of 16, 32, 50, 100, 250, 1000 on the test machine
)


class Cost(NamedTuple):
    """g: median cost in gradient passes; low, high: its range over the repeats."""

    g: float
    low: float
    high: float
    seconds: float


def gradient_seconds(bed) -> float:
    """Process seconds of one gradient pass over all examples, at its best of two."""
    return min(_seconds(lambda: gradient(bed)) for _ in range(2))


def gradient(bed) -> list[Tensor]:
    parameters = list(bed.model.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    for below, above in zip(
        bed.inputs.split(bed.chunk), bed.targets.split(bed.chunk), strict=True
    ):
        value = half_square(bed.model(below), above) * len(below) / len(bed.inputs)
        for sum_, part in zip(
            total, torch.autograd.grad(value, parameters), strict=True
        ):
            sum_ += part
    return total


def cost(bed, function: Callable[[], Any], repeats: int) -> tuple[Cost, Any]:
    """Run `function` between gradient passes; also gives its last result."""
    ratios, seconds = [], []
    for _ in range(repeats):
        gc.collect()
        before = gradient_seconds(bed)
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
        ratios.append(2 * seconds[-1] / (before + gradient_seconds(bed)))
    middle = statistics.median(ratios)
    return Cost(middle, min(ratios), max(ratios), statistics.median(seconds)), result


def _seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start
