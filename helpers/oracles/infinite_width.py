"""What a wide network of ReLUs becomes: kernels in closed form, and shortest fits.

Weights and biases into a unit are drawn alike, and so are those out of it: their
variances are factors of the whole kernel, which no shortest fit sees. An example has
a 1 for the bias behind it.
"""

import numpy as np
from numpy.typing import ArrayLike

from helpers.oracles.least_squares import Array


def last_layer_kernel(X: ArrayLike, Z: ArrayLike) -> Array:
    """E relu(w·x) relu(w·z): what is left where only weights out of the units learn."""
    lengths, angle = _lengths_and_angle(X, Z)
    sides = np.sin(angle) + (np.pi - angle) * np.cos(angle)
    return lengths * sides / (2 * np.pi)


def tangent_kernel(X: ArrayLike, Z: ArrayLike) -> Array:
    """And with E[step(w·x) step(w·z)] x·z: both layers learn, in the NTK's scaling."""
    lengths, angle = _lengths_and_angle(X, Z)
    first_layer = lengths * np.cos(angle) * (np.pi - angle) / (2 * np.pi)
    return last_layer_kernel(X, Z) + first_layer


def shortest_fit(among: ArrayLike, across: ArrayLike, Y: ArrayLike) -> Array:
    """The least-norm function through Y, at new points: the rows of `across`."""
    from scipy.linalg import solve

    return np.asarray(across) @ solve(np.asarray(among), np.asarray(Y), assume_a="pos")


def features_fit(features: ArrayLike, new: ArrayLike, Y: ArrayLike) -> Array:
    """Least squares on features, the shortest where many fit: its values at `new`."""
    return np.asarray(new) @ np.linalg.lstsq(np.asarray(features), Y, rcond=None)[0]


def _lengths_and_angle(X: ArrayLike, Z: ArrayLike) -> tuple[Array, Array]:
    """‖x‖‖z‖ of each pair, and the angle between."""
    X, Z = (
        np.hstack([P, np.ones((len(P), 1))]) for P in (np.asarray(X), np.asarray(Z))
    )
    lengths = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(Z, axis=1)
    return lengths, np.arccos(np.clip(X @ Z.T / lengths, -1, 1))
