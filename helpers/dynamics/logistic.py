"""Gradient descent on separable data, for as many steps as one likes.

As `linear`, on the sum of the logistic losses, but compiled, problem by problem.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.dynamics.compiled import compiled

Array = NDArray[np.float64]


def far(
    Z: ArrayLike,
    steps: Sequence[int],
    rate: ArrayLike,
    start: ArrayLike = 0,
    *,
    coordinate: bool = False,
) -> Array:
    """Where each problem is after these steps, which must increase.

    `rate` and `start` broadcast to the weights of all problems. With `coordinate` only
    the weight with the steepest slope moves.
    """
    Z, steps = np.ascontiguousarray(Z, float), np.ascontiguousarray(steps, np.int64)
    rates, w = (
        np.array(np.broadcast_to(x, Z[:, 0].shape), float) for x in (rate, start)
    )
    found = np.zeros((len(Z), len(steps), Z.shape[-1]))
    for each in zip(Z, rates, w, found, strict=True):
        examples, *rest = each
        pulling = examples.any(-1)  # those at 0 only fill up the batch
        _follow(examples[pulling], steps, coordinate, *rest)
    return found.swapaxes(0, 1)


@compiled
def _follow(Z, steps, coordinate, rate, w, found):
    examples, features = Z.shape
    pull, look = np.zeros(features), 0
    for step in range(steps[-1] + 1):
        if step == steps[look]:
            found[look] = w
            look += 1
        pull[:] = 0
        for i in range(examples):
            margin = 0.0
            for j in range(features):
                margin += Z[i, j] * w[j]
            size = 1 / (1 + np.exp(margin))
            for j in range(features):
                pull[j] += size * Z[i, j]
        if coordinate:
            steepest = np.argmax(np.abs(pull))
            w[steepest] += rate[steepest] * pull[steepest]
        else:
            for j in range(features):
                w[j] += rate[j] * pull[j]
