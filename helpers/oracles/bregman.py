"""Least divergence, least norm: which solution of X w = y a geometry prefers.

Everything is solved in the dual, where the unknowns are one for each equation.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.oracles.least_squares import Array, _apply


class Potential(NamedTuple):
    """ψ by its gradient, its conjugate ψ*, and the first two derivatives of that."""

    slope: Callable[[Array], Array]
    conjugate: Callable[[Array], float]
    weights: Callable[[Array], Array]  # ∇ψ*
    bend: Callable[[Array], Array]  # ∇²ψ*, a matrix
    on_simplex: bool = False


def power(p: float) -> Potential:
    q = p / (p - 1)
    return Potential(
        lambda w: np.sign(w) * np.abs(w) ** (p - 1),
        lambda z: (np.abs(z) ** q).sum() / q,
        lambda z: np.sign(z) * np.abs(z) ** (q - 1),
        lambda z: np.diag((q - 1) * np.abs(z) ** (q - 2)),
    )


def hypentropy(scale: float) -> Potential:
    return Potential(
        lambda w: np.arcsinh(w / scale),
        lambda z: scale * np.cosh(z).sum(),
        lambda z: scale * np.sinh(z),
        lambda z: scale * np.diag(np.cosh(z)),
    )


def entropy_on_simplex() -> Potential:
    """The conjugate of Σ wⱼ log wⱼ on the simplex is log Σ e^z."""
    from scipy.special import logsumexp, softmax

    def bend(z: Array) -> Array:
        w = softmax(z)
        return np.diag(w) - np.outer(w, w)

    return Potential(np.log, logsumexp, softmax, bend, on_simplex=True)


def missed(
    X: ArrayLike, y: ArrayLike, start: ArrayLike, w: ArrayLike, potential: Potential
) -> Array:
    """By how much w misses the conditions: its residual, its slope outside the span.

    On the simplex the slope is known up to a constant, which is taken off.
    """
    X, w = np.asarray(X), np.asarray(w)
    residual = np.abs(_apply(X, w) - np.asarray(y)).max(-1)
    turned = potential.slope(w) - potential.slope(np.asarray(start))
    if potential.on_simplex:
        X = np.concatenate([X, np.ones_like(X[:, :1])], axis=1)
    outside = turned - _apply(np.linalg.pinv(X), _apply(X, turned))
    return np.maximum(residual, np.abs(outside).max(-1))


def least_divergence(
    X: ArrayLike, y: ArrayLike, start: ArrayLike, potential: Potential
) -> Array:
    """argmin ψ(w) − ψ(start) − ∇ψ(start)·(w − start) subject to X w = y."""
    problems = zip(np.asarray(X), np.asarray(y), np.asarray(start), strict=True)
    return np.stack([_projected(*each, potential) for each in problems])


def _projected(X: Array, y: Array, start: Array, potential: Potential) -> Array:
    from scipy.optimize import minimize, root

    origin = potential.slope(start)

    def residual(a: Array) -> Array:
        return X @ potential.weights(origin + X.T @ a) - y

    def bend(a: Array) -> Array:
        return X @ potential.bend(origin + X.T @ a) @ X.T

    near = minimize(
        lambda a: potential.conjugate(origin + X.T @ a) - a @ y,
        np.zeros(len(y)),
        jac=residual,
        hess=bend,
        method="trust-exact",
    ).x
    dual = root(residual, near, jac=bend, tol=1e-15).x
    return potential.weights(origin + X.T @ dual)
