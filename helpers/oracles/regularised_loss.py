"""Damian, Ma and Lee's regularised loss L + λΩ, and what follows for exact models.

A valley is given by its curvatures as polynomials of the position t along it, lowest
power first. Curvatures are those of the mean loss.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike

from helpers.dials import BookError
from helpers.oracles.least_squares import Array

Penalty = Callable[[Array], Array]  # of the curvatures, on the last axis


def noise_scale(
    rate: ArrayLike, noise: ArrayLike, batch: ArrayLike, momentum: ArrayLike = 0
) -> Array:
    """λ = ησ²/(B(1 − β₁))."""
    rate, batch = np.asarray(rate), np.asarray(batch)
    return rate * np.square(noise) / (batch * (1 - np.asarray(momentum)))


def stationary_variance(
    curvatures: ArrayLike, rate: float, scale: ArrayLike, momentum: float = 0
) -> Array:
    """λ / (2 − ηh/(1 + β₁)), in each eigen-direction of the Hessian."""
    stretched = rate * np.asarray(curvatures) / (1 + momentum)
    if stretched.max() >= 2:
        limit = 2 * (1 + momentum) / np.max(curvatures)
        raise BookError(
            f"at rate {rate:.3g} a curvature of {np.max(curvatures):.3g} is unstable: "
            f"take a rate below {limit:.3g}"
        )
    return np.asarray(scale) / (2 - stretched)


def log_penalty(rate: float, momentum: float = 0) -> Penalty:
    """Ω = −(1 + β₁)/(2η) Σ log(1 − ηh/(2(1 + β₁))), infinite where h is unstable."""

    def penalty(curvatures: Array) -> Array:
        left = 1 - rate * np.asarray(curvatures) / (2 * (1 + momentum))
        with np.errstate(divide="ignore"):
            return -(1 + momentum) / (2 * rate) * np.log(left.clip(0)).sum(-1)

    return penalty


def trace_penalty(curvatures: Array) -> Array:
    """¼ tr H, which Ω becomes as the rate goes to zero."""
    return np.asarray(curvatures).sum(-1) / 4


def curvatures_at(valley: ArrayLike, t: ArrayLike) -> Array:
    """The curvatures of a valley at the positions t, on a new last axis."""
    return np.moveaxis(polynomial.polyval(np.asarray(t), np.transpose(valley)), 0, -1)


def resting_point(valley: ArrayLike, penalty: Penalty) -> float:
    """Where along the valley the penalty is least, near its middle."""
    from scipy.optimize import minimize_scalar

    def value(t: float) -> float:
        return min(float(penalty(curvatures_at(valley, t))), 1e9)

    how = {"method": "bounded", "options": {"xatol": 1e-10}}
    return float(minimize_scalar(value, bounds=(-0.5, 0.5), **how).x)


def drift(valley: ArrayLike, penalty: Penalty, start: float, times: ArrayLike) -> Array:
    """The flow dt/dτ = −Ω′(t), at increasing times τ = ηλk/(1 − β₁)."""
    from scipy.integrate import solve_ivp

    def velocity(_: float, t: Array) -> Array:
        return -_slope(valley, penalty, t)

    times = np.asarray(times, dtype=float)
    how = {"t_eval": times, "rtol": 1e-9, "atol": 1e-11}
    return solve_ivp(velocity, (0, times[-1]), [start], **how).y[0]


def settling_rate(valley: ArrayLike, penalty: Penalty) -> float:
    """Ω″ at the resting point: the distance to it falls like exp(−Ω″τ)."""
    t, step = resting_point(valley, penalty), 1e-4
    ahead, behind = (_slope(valley, penalty, t + s) for s in (step, -step))
    return float((ahead - behind) / (2 * step))


def _slope(valley: ArrayLike, penalty: Penalty, t: ArrayLike) -> Array:
    step = 1e-5
    ahead, behind = (penalty(curvatures_at(valley, t + s)) for s in (step, -step))
    return (ahead - behind) / (2 * step)
