"""What theory says of a ReLU neuron: which weights fit, the shortest, and balance."""

import numpy as np
from numpy.typing import ArrayLike

from helpers.oracles.least_squares import Array, _apply


def misfit(X: ArrayLike, y: ArrayLike, w: ArrayLike) -> Array:
    """The largest error of a ReLU neuron with weights w on the examples."""
    return np.abs(np.maximum(_apply(X, w), 0) - np.asarray(y)).max(-1)


def shortest_fit(X: ArrayLike, y: ArrayLike) -> Array:
    """argmin ‖w‖ under x·w = y where y > 0 and x·w ≤ 0 where y = 0, a problem each."""

    def solve(X: Array, y: Array) -> Array:
        positive, zero = X[y > 0], X[y == 0]
        bounds = np.concatenate([y[y > 0], -y[y > 0], np.zeros(len(zero))])
        return _shortest(np.vstack([positive, -positive, -zero]), bounds)

    pairs = zip(np.asarray(X), np.asarray(y), strict=True)
    return np.stack([solve(*pair) for pair in pairs])


def shortest_separator(X: ArrayLike, y: ArrayLike) -> Array:
    """argmin ‖w‖ under x·w ≥ 1 where y > 0 and x·w ≤ 0 where y = 0, a problem each."""
    X, positive = np.asarray(X), np.asarray(y) > 0
    sides = np.where(positive[..., None], X, -X)
    return np.stack(
        [_shortest(*pair) for pair in zip(sides, 1.0 * positive, strict=True)]
    )


def _shortest(sides: Array, bounds: Array) -> Array:
    """argmin ‖w‖ under sides·w ≥ bounds, by non-negative least squares.

    The reduction is Lawson and Hanson's.
    """
    from scipy.optimize import nnls

    table = np.vstack([sides.T, bounds])
    target = np.append(np.zeros(sides.shape[1]), 1)
    dual, _ = nnls(table, target, maxiter=100 * len(sides))
    gap = table @ dual - target
    if gap[-1] > -1e-12:
        raise ValueError("no weights of a ReLU neuron meet these labels")
    return -gap[:-1] / gap[-1]


def balance(rows: ArrayLike) -> Array:
    """‖uⱼ‖² − vⱼ² of each neuron (uⱼ, vⱼ) of a hidden layer."""
    squares = np.square(np.asarray(rows))
    return squares[..., :-1].sum(-1) - squares[..., -1]
