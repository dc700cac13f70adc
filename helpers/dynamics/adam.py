"""Adam on separable data, for as many steps as one likes.

Its gradients shrink for ever, below the smallest number of a computer. So they, and the
running means of them, are kept in units of the largest pull of an example, which is
exp(−smallest margin). Only ratios of them enter a step.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.dynamics.compiled import compiled

Array = NDArray[np.float64]


class Way(NamedTuple):
    w: Array  # (steps, problems, features)
    scale: Array  # likewise: what a step of each feature is divided by, its sum one


def far(
    Z: ArrayLike,
    steps: Sequence[int],
    rate: float,
    *,
    epsilon: float = 0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Way:
    """From zero, on the sum of the logistic losses: where it is after these steps.

    `steps` must increase.
    """
    Z, steps = np.ascontiguousarray(Z, float), np.ascontiguousarray(steps, np.int64)
    w = np.zeros((len(Z), len(steps), Z.shape[-1]))
    scale = np.ones_like(w)
    how = [float(part) for part in (rate, epsilon, *betas)]
    for examples, *way in zip(Z, w, scale, strict=True):
        _follow(examples, steps, *how, *way)
    return Way(*(x.swapaxes(0, 1) for x in (w, scale / scale.sum(-1, keepdims=True))))


@compiled
def _follow(Z, steps, rate, epsilon, fast, slow, found, scale):
    examples, features = Z.shape
    w, mean, square, pull = np.zeros((4, features))
    margins, unit = np.empty(examples), 0.0
    fast_left, slow_left, look = 1.0, 1.0, 0
    for step in range(steps[-1] + 1):
        if step == steps[look]:
            found[look] = w
            look += 1
        smallest = np.inf
        for i in range(examples):
            margins[i] = 0
            for j in range(features):
                margins[i] += Z[i, j] * w[j]
            smallest = min(smallest, margins[i])
        grown = np.exp(max(0.0, smallest) - unit)
        unit = max(0.0, smallest)
        for j in range(features):
            mean[j] *= grown
            square[j] *= grown**2
            pull[j] = 0
        for i in range(examples):
            size = np.exp(unit - margins[i])
            if margins[i] < 37:  # beyond, 1 + exp(−margin) is 1
                size /= 1 + np.exp(-margins[i])
            for j in range(features):
                pull[j] -= size * Z[i, j]
        fast_left *= fast
        slow_left *= slow
        least = epsilon * np.exp(unit) if epsilon else 0.0
        for j in range(features):
            mean[j] = fast * mean[j] + (1 - fast) * pull[j]
            square[j] = slow * square[j] + (1 - slow) * pull[j] ** 2
            below = np.sqrt(square[j] / (1 - slow_left)) + least
            w[j] -= rate * mean[j] / (1 - fast_left) / below
            if look and step == steps[look - 1]:
                scale[look - 1, j] = below
