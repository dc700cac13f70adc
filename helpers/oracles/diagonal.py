"""The diagonal linear network f(z) = z·(u⊙u − v⊙v): where its flows end.

Gradient flow keeps β = 2uv and the part of θ = log u/v outside the span of the
examples; from u = v it ends where w = β sinh(Zᵀλ) fits. Label noise shrinks β.
Z is (..., examples, features), y (..., examples), β one number, one a problem
(..., 1), or one a feature.
"""

import numpy as np
from numpy.typing import ArrayLike

from helpers.oracles.least_squares import Array, _apply, basis_pursuit

_FITTED = 1e-11  # of ‖y‖
_MOST_STEPS = 2000


def flow_limit(Z: ArrayLike, y: ArrayLike, beta: ArrayLike) -> Array:
    """The w = β sinh(Zᵀλ) with Z w = y: where gradient flow from u = v ends.

    Newton's method for the convex dual, Σ β cosh(Zᵀλ) − y·λ. Steps that change Zᵀλ by
    at most one cannot increase it. Examples that are all zero are left out.
    """
    Z, y = np.asarray(Z, dtype=float), np.asarray(y, dtype=float)
    beta = np.asarray(beta, dtype=float)
    shape = np.broadcast_shapes(Z.shape[:-2] + Z.shape[-1:], beta.shape)
    Z = np.broadcast_to(Z, (*shape[:-1], *Z.shape[-2:])).reshape(-1, *Z.shape[-2:])
    y = np.broadcast_to(y, (*shape[:-1], y.shape[-1])).reshape(len(Z), -1)
    beta = np.broadcast_to(beta, shape).reshape(len(Z), -1)
    found = [_newton(*part) for part in zip(*map(_blocks, (Z, y, beta)), strict=True)]
    return np.concatenate(found).reshape(shape)


def label_noise_beta(Z: ArrayLike, beta: ArrayLike, time: ArrayLike) -> Array:
    """β(τ) = β exp(−4 τ a) of the limiting flow, aⱼ the mean of zⱼ²; τ = rate² σ² k."""
    return np.asarray(beta) * np.exp(-4 * np.asarray(time) * mean_square(Z))


def mean_square(Z: ArrayLike) -> Array:
    """aⱼ, the mean of zᵢⱼ² over the examples."""
    return np.square(np.asarray(Z)).mean(-2)


def trace(Z: ArrayLike, w: ArrayLike, beta: ArrayLike) -> Array:
    """tr H of the mean of ½(f − y)² where it is zero: 4 Σ aⱼ (uⱼ² + vⱼ²)."""
    return 4 * (mean_square(Z) * np.hypot(w, beta)).sum(-1)


def finite_rate_time(
    Z: ArrayLike, y: ArrayLike, beta: float, rate: float, times: ArrayLike
) -> Array:
    """The time of the limiting flow that SGD has reached after k = times/rate² steps.

    For designs of signs, σ = 1. Sampling adds to the noise what the noise has moved:
    E r² = σ² · 2/(2 − rate tr H), so that dτ/d(rate² k) is that factor, and more than
    one. Shaped (problems, times).
    """
    from scipy.integrate import solve_ivp

    def speed(task: tuple[Array, Array], tau: float) -> float:
        now = beta * np.exp(-4 * tau)
        return 2 / (2 - rate * trace(task[0], flow_limit(*task, now), now))

    def solve(task: tuple[Array, Array]) -> Array:
        how = {"t_eval": np.asarray(times), "rtol": 1e-6, "atol": 1e-9}
        span = 0, np.max(times)
        return solve_ivp(lambda _, tau: speed(task, tau[0]), span, [0.0], **how).y[0]

    tasks = zip(np.asarray(Z), np.asarray(y), strict=True)
    return np.stack([solve(task) for task in tasks])


def weighted_basis_pursuit(Z: ArrayLike, y: ArrayLike, weights: ArrayLike) -> Array:
    """argmin Σ aⱼ|wⱼ| subject to Z w = y, for one problem."""
    return basis_pursuit(np.asarray(Z) / weights, y) / weights


def potential(w: ArrayLike, scale: ArrayLike) -> Array:
    """Q of Woodworth et al., the norm that gradient flow from u = v = scale minimises.

    scale² Σ q(w/scale²), q(x) = 2 − √(4 + x²) + x arcsinh(x/2).
    """
    square = np.asarray(scale) ** 2
    x = np.asarray(w) / square
    return square[..., 0] * (2 - np.sqrt(4 + x**2) + x * np.arcsinh(x / 2)).sum(-1)


def certificate(Z: ArrayLike, y: ArrayLike, w: ArrayLike) -> float:
    """The largest |z·λ| off the support of a least-ℓ1 solution w, of one problem.

    λ is the dual with z·λ = sign(w) on the support: below one, w is the only solution,
    and gradient flow approaches it like β^(1 − certificate).
    """
    Z, w = np.asarray(Z), np.asarray(w)
    support = np.abs(w) > 1e-9
    dual = np.linalg.lstsq(Z[:, support].T, np.sign(w[support]), rcond=None)[0]
    return float(np.abs(Z[:, ~support].T @ dual).max())


def recovery_threshold(
    Z: ArrayLike, signal: ArrayLike, beta: float, missed: float
) -> Array:
    """The smallest n whose first n examples leave at most the share `missed`.

    For each problem, by bisection; of the limit at that β, the share being
    ‖w − signal‖² over ‖signal‖².
    """
    Z, signal = np.asarray(Z), np.asarray(signal)
    order = np.arange(Z.shape[-2])
    y = _apply(Z, signal)
    low, high = np.zeros(len(Z), dtype=int), np.full(len(Z), len(order))
    while (high - low > 1).any():
        middle = np.maximum((low + high) // 2, 1)
        used = (order < middle[:, None])[:, : middle.max()]
        few, labels = Z[:, : middle.max()] * used[..., None], y[:, : middle.max()]
        w = flow_limit(few, labels * used, beta)
        good = share_missed(w, signal) <= missed
        high, low = np.where(good, middle, high), np.where(good, low, middle)
    return high


def share_missed(w: ArrayLike, signal: ArrayLike) -> Array:
    """‖w − signal‖² over ‖signal‖²."""
    signal = np.asarray(signal)
    wrong = np.square(np.asarray(w) - signal).sum(-1)
    return wrong / np.square(signal).sum(-1)


def minimum_norm_misses(Z: ArrayLike, signal: ArrayLike) -> Array:
    """What the shortest solution on the first n examples misses, for n = 1, 2, …

    One Cholesky factor serves all n: the misses fall by the squares of L⁻¹y.
    """
    from scipy.linalg import cholesky, solve_triangular

    def solve(Z: Array, signal: Array) -> Array:
        factor = cholesky(Z @ Z.T, lower=True, overwrite_a=True, check_finite=False)
        found = solve_triangular(factor, Z @ signal, lower=True, check_finite=False)
        return 1 - np.cumsum(found**2) / (signal @ signal)

    return np.stack([solve(*pair) for pair in zip(Z, signal, strict=True)])


def statistical_dimension(features: ArrayLike, relevant: ArrayLike) -> Array:
    """Gaussian examples that least ℓ1 needs for κ of d features (Amelunxen et al.).

    inf over τ of κ(1 + τ²) + (d − κ) E(|g| − τ)₊².
    """
    from scipy.optimize import minimize_scalar
    from scipy.stats import norm

    def cost(tau: float, d: float, kappa: float) -> float:
        tail = (1 + tau**2) * norm.sf(tau) - tau * norm.pdf(tau)
        return kappa * (1 + tau**2) + 2 * (d - kappa) * tail

    def solve(d: float, kappa: float) -> float:
        return minimize_scalar(cost, (0, 6), args=(d, kappa), bounds=(0, 12)).fun

    return np.vectorize(solve)(features, relevant)


def _newton(Z: Array, y: Array, beta: Array) -> Array:
    blank = (~Z.any(-1)).astype(float)[..., None] * np.eye(Z.shape[-2])
    dual, theta = np.zeros_like(y), np.zeros_like(beta)
    for _ in range(_MOST_STEPS):
        missing = y - _apply(Z, beta * np.sinh(theta))
        size = np.linalg.norm(missing, axis=-1)
        todo = size > _FITTED * np.linalg.norm(y, axis=-1)
        if not todo.any():
            return beta * np.sinh(theta)
        z, b, where = Z[todo], beta[todo], (theta[todo], dual[todo])
        gram = (z * (b * np.cosh(where[0]))[:, None]) @ np.swapaxes(z, -1, -2)
        ridge = 1e-15 * np.trace(gram, axis1=-2, axis2=-1)[:, None, None]
        gram += blank[todo] + ridge * np.eye(y.shape[-1])
        step = np.linalg.solve(gram, missing[todo][..., None])[..., 0]
        turn = (step[:, None] @ z)[:, 0]
        share = _share(turn, step, where, b, y[todo])
        theta[todo] += share * turn
        dual[todo] += share * step
    raise ValueError("no solution was found: do these equations have one?")


def _share(turn: Array, step: Array, where, beta: Array, y: Array) -> Array:
    """How much of a Newton step to take: a long one only where it lowers the dual."""

    def dual(share: float | Array) -> Array:
        theta, point = where[0] + share * turn, where[1] + share * step
        return (beta * np.cosh(theta)).sum(-1) - (y * point).sum(-1)

    longest = np.abs(turn).max(-1, keepdims=True)
    bold, safe = np.minimum(1, 4 / longest), np.minimum(1, 1 / longest)
    return np.where((dual(bold) <= dual(0))[:, None], bold, safe)


def _blocks(part: Array) -> list[Array]:
    return np.array_split(part, -(-len(part) // 32))
