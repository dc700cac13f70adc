"""Zhang et al.'s network of 2n + d weights that says anything on any n examples.

f(x) = Σ w_j max(a·x − b_j, 0): one direction for all units, a kink and a weight each.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.dials import BookError
from helpers.oracles.least_squares import Array


class Memoriser(NamedTuple):
    direction: Array  # a: d weights
    kinks: Array  # b, in rising order: n
    weights: Array  # w: n

    @property
    def size(self) -> int:
        return sum(part.size for part in self)

    def __call__(self, X: ArrayLike) -> Array:
        return hidden(np.asarray(X) @ self.direction, self.kinks) @ self.weights


def memorise(
    X: ArrayLike, y: ArrayLike, direction: ArrayLike, behind: float = 0.1
) -> Memoriser:
    """The network that says y on X, from a triangular system.

    In the order along the direction, each unit begins between the example before and
    its own, at the share `behind` of that gap (the first a gap of 1 before its own).
    """
    from scipy.linalg import solve_triangular

    X, y, direction = (np.asarray(part, float) for part in (X, y, direction))
    places = X @ direction
    order = places.argsort()
    kinks = interleaved(places[order], behind)
    weights = solve_triangular(hidden(places[order], kinks), y[order], lower=True)
    return Memoriser(direction, kinks, weights)


def interleaved(places: Array, behind: float) -> Array:
    """One kink before each of the rising places, and behind the one before it."""
    gaps = np.diff(places)
    if not (gaps > 0).all():
        raise BookError("two examples lie at one place: choose another direction")
    return np.concatenate([places[:1] - 1, places[:-1] + behind * gaps])


def hidden(places: Array, kinks: Array) -> Array:
    """What each unit says of each example; triangular if both rise in turn."""
    return np.maximum(places[..., :, None] - kinks, 0)


def slopes(places: Array, y: Array, behind: float) -> Array:
    """Of f behind each kink, one from the one before it: no system is solved."""
    found = [y[0]]
    for gap, rise in zip(np.diff(places), np.diff(y), strict=True):
        found.append((rise / gap - behind * found[-1]) / (1 - behind))
    return np.array(found)
