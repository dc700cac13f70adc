"""Normalised steepest descent on separable data, for as many steps as one likes.

Its gradients shrink for ever, below the smallest number of a computer. So they, and
their running mean, are kept in units of the largest pull, exp(−smallest margin). Only
the direction of them enters a step.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from helpers.dials import BookError

Array = NDArray[np.float64]
NORMS = ("l1", "l2", "linf", "spectral")


def far(
    Z: ArrayLike,
    steps: Sequence[int],
    norm: str,
    rate: float,
    power: float = 0.5,
    momentum: float = 0,
) -> Array:
    """From zero, steps of length rate / k^power in the norm: where it is after `steps`.

    Z has shape (problems, examples, rivals, rows, columns): the margin of an example
    over a rival class is Σ Z ∘ W, and the loss is the cross-entropy. Two classes have
    one rival, and vectors one row. `steps` must increase.
    """
    if norm not in NORMS:
        raise BookError(f"norm={norm!r} is unknown: choose {', '.join(NORMS)}")
    Z, steps = np.asarray(Z, dtype=float), np.asarray(steps)
    found = np.zeros((len(Z), len(steps), *Z.shape[-2:]))
    how = NORMS.index(norm), float(rate), float(power), float(momentum)
    for examples, ends in zip(Z, found, strict=True):
        flat = np.ascontiguousarray(examples.reshape(*examples.shape[:2], -1))
        _follow(flat, steps, *how, ends)
    return found.swapaxes(0, 1)


def factorised(
    Z: ArrayLike, steps: Sequence[int], rate: float, U: ArrayLike, V: ArrayLike
) -> Array:
    """W = U Vᵀ after Euclidean steps of length rate / √k in U and V together.

    Z as above; U and V, a pair for each problem, are where it starts.
    """
    Z, steps = np.asarray(Z, dtype=float), np.asarray(steps)
    found = np.zeros((len(Z), len(steps), *Z.shape[-2:]))
    starts = np.asarray(U), np.asarray(V)
    for *each, ends in zip(Z, *starts, found, strict=True):
        examples, left, right = map(np.copy, each)
        flat = examples.reshape(*examples.shape[:2], -1)
        _follow_factors(flat, steps, rate, left, right, ends)
    return found.swapaxes(0, 1)


# Kept on disk: the singular value decomposition takes seconds to compile.
@njit(cache=True)
def _follow(Z, steps, norm, rate, power, momentum, found):
    rows, columns = found.shape[1:]
    w, mean, pull = np.zeros(Z.shape[2]), np.zeros(Z.shape[2]), np.zeros(Z.shape[2])
    margins, unit, look = np.zeros(Z.shape[:2]), 0.0, 0
    for step in range(steps[-1] + 1):
        if step == steps[look]:
            found[look] = w.reshape(rows, columns)
            look += 1
        before, unit = unit, _pull(Z, w, margins, pull)
        mean *= momentum * np.exp(unit - before)
        mean += (1 - momentum) * pull
        length = rate / (step + 1) ** power
        if norm == 0:
            most = np.argmax(np.abs(mean))
            w[most] += length * np.sign(mean[most])
        elif norm == 1:
            w += length / np.sqrt((mean**2).sum()) * mean
        elif norm == 2:
            w += length * np.sign(mean)
        else:
            left, s, right = np.linalg.svd(mean.reshape(rows, columns), False)
            left = left * (s > 1e-10 * s[0])  # no step where nothing pulls
            w += length * (left @ right).ravel()


@njit(cache=True)
def _follow_factors(Z, steps, rate, U, V, found):
    rows, columns = found.shape[1:]
    margins, pull, look = np.zeros(Z.shape[:2]), np.zeros(Z.shape[2]), 0
    for step in range(steps[-1] + 1):
        W = U @ V.T
        if step == steps[look]:
            found[look] = W
            look += 1
        _pull(Z, W.ravel(), margins, pull)
        G = pull.reshape(rows, columns)
        left, right = G @ V, G.T @ U
        size = np.sqrt((left**2).sum() + (right**2).sum())
        length = rate / np.sqrt(step + 1) / size
        U += length * left
        V += length * right


@njit(cache=True)
def _pull(Z, w, margins, pull):
    """Minus the gradient, into `pull`, in units of e^−unit; returns the unit."""
    examples, rivals, features = Z.shape
    unit = np.inf
    for i in range(examples):
        for c in range(rivals):
            margins[i, c] = 0
            for j in range(features):
                margins[i, c] += Z[i, c, j] * w[j]
            unit = min(unit, margins[i, c])
    unit = max(0.0, unit)
    pull[:] = 0
    for i in range(examples):
        others = 1.0
        for c in range(rivals):
            others += np.exp(-margins[i, c])
        for c in range(rivals):
            if margins[i, c] < unit + 40:  # beyond, it is lost in rounding
                size = np.exp(unit - margins[i, c]) / others
                for j in range(features):
                    pull[j] += size * Z[i, c, j]
    return unit
