"""The diagonal linear network f(z) = z·(u⊙u − v⊙v): where its flows end.

Gradient flow keeps β = 2uv and the part of φ = log u/v outside the span of the
examples; from u = v it ends where w = β sinh(Zᵀξ) fits. Label noise shrinks β, far
below the smallest number of a computer, so that log β is what is passed around: one
number, or any shape that broadcasts to (..., features).
Z is (..., examples, features), y (..., examples).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.oracles.least_squares import Array, _apply, basis_pursuit

_FITTED = 1e-11  # of ‖y‖
_MOST_STEPS = 2000
_DEEP = -60  # a log β that is worth approaching by halves


def flow_limit(
    Z: ArrayLike, y: ArrayLike, log_beta: ArrayLike, turned: ArrayLike = 0.0
) -> Array:
    """The w = β sinh(φ + Zᵀξ) with Z w = y: where gradient flow ends.

    φ = log u/v at the start is `turned`: nothing from u = v. Newton's method for the
    convex dual, Σ β cosh(φ + Zᵀξ) − y·ξ. Steps that change Zᵀξ by at most one cannot
    increase it. Examples that are all zero are left out.
    """
    Z, y, log_beta = (np.asarray(part, dtype=float) for part in (Z, y, log_beta))
    shape = Z.shape[:-2] + Z.shape[-1:]
    shape = np.broadcast_shapes(shape, log_beta.shape, np.shape(turned))
    Z = np.broadcast_to(Z, (*shape[:-1], *Z.shape[-2:])).reshape(-1, *Z.shape[-2:])
    y = np.broadcast_to(y, (*shape[:-1], y.shape[-1])).reshape(len(Z), -1)
    log_beta = np.broadcast_to(log_beta, shape).reshape(len(Z), -1)
    turned = np.broadcast_to(turned, shape).reshape(len(Z), -1)
    blocks = zip(*map(_blocks, (Z, y, log_beta, turned)), strict=True)
    return np.concatenate([_solve(*block) for block in blocks]).reshape(shape)


def deep_flow_limit(Z: ArrayLike, y: ArrayLike, scale: float, depth: int) -> Array:
    """Where gradient flow ends with w = u^depth − v^depth, from u = v = scale.

    For a depth of three and more, and for one problem. The flow moves u^(2 − depth) in
    the span of the examples: w = scale^depth ((1 − θ)^−p − (1 + θ)^−p) with θ = Zᵀξ and
    p = depth/(depth − 2). A Newton step may go nine tenths of the way to |θ| = 1.
    """
    Z, y = np.asarray(Z, dtype=float), np.asarray(y, dtype=float)
    p, size = depth / (depth - 2), float(scale) ** depth
    dual = np.zeros(len(y))
    for _ in range(_MOST_STEPS):
        up, down = 1 + dual @ Z, 1 - dual @ Z
        w = size * (down**-p - up**-p)
        missing = y - Z @ w
        if np.linalg.norm(missing) <= _FITTED * np.linalg.norm(y):
            return w
        slopes = size * p * (down ** (-p - 1) + up ** (-p - 1))
        step = np.linalg.solve((Z * slopes) @ Z.T, missing)
        turn = step @ Z
        furthest = np.maximum(turn / down, -turn / up).max()
        dual += min(1, 0.9 / furthest, 1 / (1 + furthest)) * step
    raise ValueError("no solution was found: do these equations have one?")


def label_noise_log_beta(Z: ArrayLike, log_beta: ArrayLike, time: ArrayLike) -> Array:
    """log β(τ) = log β − 4 τ a of the limiting flow, aⱼ the mean of zⱼ².

    The time is τ = rate² σ² k. Its shape is put in front of that of the problems.
    """
    fall = np.multiply.outer(np.asarray(time), 4 * mean_square(Z))
    return np.asarray(log_beta) - fall


def mean_square(Z: ArrayLike) -> Array:
    """aⱼ, the mean of zᵢⱼ² over the examples."""
    return np.square(np.asarray(Z)).mean(-2)


def trace(Z: ArrayLike, w: ArrayLike, log_beta: ArrayLike) -> Array:
    """tr H of the mean of ½(f − y)² where it is zero: 4 Σ aⱼ (uⱼ² + vⱼ²)."""
    return 4 * (mean_square(Z) * np.hypot(w, np.exp(log_beta))).sum(-1)


def step_factor(curvature: ArrayLike, rate: float) -> Array:
    """By what a finite step multiplies the drift: the noise moves, and that is noise.

    x ← (1 − rate h) x + rate ξ has E x² = rate E ξ² / h(2 − rate h).
    """
    return 1 / (1 - rate * np.asarray(curvature) / 2)


def to_first_order(curvature: ArrayLike, rate: float) -> Array:
    """The same for small steps only."""
    return 1 + rate * np.asarray(curvature) / 2


def finite_rate_time(
    Z: ArrayLike,
    y: ArrayLike,
    log_beta: float,
    rate: float,
    times: ArrayLike,
    factor: Callable[[Array, float], Array] = step_factor,
) -> Array:
    """How far along the limiting flow SGD really is after k = times/rate² steps.

    The factor of tr H is the speed of τ in rate² σ² k. For designs of signs and σ = 1;
    shaped (times, problems).
    """
    from scipy.integrate import solve_ivp

    def speed(task: tuple[Array, Array], tau: float) -> float:
        now = log_beta - 4 * tau
        return factor(trace(task[0], flow_limit(*task, now), now), rate)

    def solve(task: tuple[Array, Array]) -> Array:
        answer = solve_ivp(
            lambda _, tau: speed(task, tau[0]),
            (0, np.max(times)),
            [0.0],
            t_eval=np.asarray(times),
            rtol=1e-6,
            atol=1e-9,
        )
        return answer.y[0]

    tasks = zip(np.asarray(Z), np.asarray(y), strict=True)
    return np.stack([solve(task) for task in tasks], axis=1)


def valley_drift(
    start: float,
    time: float,
    rate: float,
    *,
    constant: bool,
    factor: Callable[[Array, float], Array] = step_factor,
) -> float:
    """How far x moves in the valley ½ eˣ y² after time/rate² steps.

    The noise on y is of constant size, or has the variance eˣ, as that of labels has.
    """
    from scipy.integrate import solve_ivp

    def speed(_: float, x: Array) -> Array:
        size = 1.0 if constant else np.exp(x)
        return -0.25 * size * factor(np.exp(x), rate)

    ends = solve_ivp(speed, (0, time), [start], rtol=1e-9, atol=1e-12).y[0]
    return ends[-1] - start


def weighted_basis_pursuit(Z: ArrayLike, y: ArrayLike, weights: ArrayLike) -> Array:
    """argmin Σ aⱼ|wⱼ| subject to Z w = y, for one problem."""
    return basis_pursuit(np.asarray(Z) / weights, y) / weights


def slack(Z: ArrayLike, w: ArrayLike, weights: ArrayLike = 1.0) -> float:
    """By how much every feature off the support of w falls short of joining it.

    For a solution w of least Σ a|w|, of one problem: the largest s for which some ξ has
    z·ξ = a sign(w) on the support and |z·ξ| ≤ a − s off it. Above 0 there is no other
    solution, and the flows approach it like β^s, or e^(−4 τ s).
    """
    from scipy.optimize import linprog

    Z, w = np.asarray(Z), np.asarray(w)
    a = np.broadcast_to(weights, w.shape)
    on = support(w)
    off, one = Z[:, ~on].T, np.ones((np.sum(~on), 1))
    answer = linprog(
        np.append(np.zeros(len(Z)), -1),
        np.block([[off, one], [-off, one]]),
        np.tile(a[~on], 2),
        np.hstack([Z[:, on].T, np.zeros((on.sum(), 1))]),
        (a * np.sign(w))[on],
        bounds=(None, None),
    )
    return -answer.fun


def shortest_slack(Z: ArrayLike, w: ArrayLike) -> float:
    """What the shortest ξ with z·ξ = sign(w) on the support has for a slack."""
    Z, w = np.asarray(Z), np.asarray(w)
    on = support(w)
    shortest = np.linalg.lstsq(Z[:, on].T, np.sign(w[on]), rcond=None)[0]
    return 1 - np.abs(Z[:, ~on].T @ shortest).max()


def support(w: ArrayLike) -> NDArray[np.bool_]:
    """Where a solution is not zero, but for rounding."""
    size = np.abs(np.asarray(w))
    return size > 1e-9 * size.max(-1, keepdims=True)


def recovery_threshold(
    Z: ArrayLike, signal: ArrayLike, log_beta: float, missed: float
) -> Array:
    """The smallest n whose first n examples leave at most the share `missed`.

    For each problem, by bisection, of the limit at that log β. If none does, one more
    than there are examples.
    """
    Z, signal = np.asarray(Z), np.asarray(signal)
    order = np.arange(Z.shape[-2])
    y = _apply(Z, signal)
    low, high = np.zeros(len(Z), dtype=int), np.full(len(Z), len(order) + 1)
    while (high - low > 1).any():
        middle = np.maximum((low + high) // 2, 1)
        used = (order < middle[:, None])[:, : middle.max()]
        first, labels = Z[:, : middle.max()] * used[..., None], y[:, : middle.max()]
        w = flow_limit(first, labels * used, log_beta)
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

    One Cholesky factor serves all n: the misses fall by the squares of L⁻¹y. Signs may
    come in single precision, in which their products are exact.
    """
    from scipy.linalg import cholesky, solve_triangular

    def solve(Z: Array, signal: Array) -> Array:
        gram, y = (Z @ Z.T).astype(float), Z.astype(float) @ signal
        factor = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
        found = solve_triangular(factor, y, lower=True, check_finite=False)
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


def _weights(theta: Array, log_beta: Array) -> Array:
    """β sinh φ, where neither factor need be a number that a computer has."""
    size = np.abs(theta)
    return np.sign(theta) * np.exp(log_beta + size) * -np.expm1(-2 * size) / 2


def _sizes(theta: Array, log_beta: Array) -> Array:
    """β cosh φ, likewise."""
    size = np.abs(theta)
    return np.exp(log_beta + size) * (1 + np.exp(-2 * size)) / 2


def _solve(Z: Array, y: Array, log_beta: Array, turned: Array) -> Array:
    dual = _dual(Z, y, log_beta, turned)
    return _weights(turned + (dual[:, None] @ Z)[:, 0], log_beta)


def _dual(Z: Array, y: Array, log_beta: Array, turned: Array) -> Array:
    """ξ. Towards β = 0 it grows like log 1/β: half-way gives a good guess."""
    deep = log_beta.min() < _DEEP
    dual = 2 * _dual(Z, y, log_beta / 2, turned / 2) if deep else np.zeros_like(y)
    blank = (~Z.any(-1)).astype(float)[..., None] * np.eye(Z.shape[-2])
    for _ in range(_MOST_STEPS):
        theta = turned + (dual[:, None] @ Z)[:, 0]
        missing = y - _apply(Z, _weights(theta, log_beta))
        size = np.linalg.norm(missing, axis=-1)
        todo = ~(size <= _FITTED * np.linalg.norm(y, axis=-1))
        if not todo.any():
            return dual
        z, here = Z[todo], (theta[todo], log_beta[todo])
        gram = (z * _sizes(*here)[:, None]) @ np.swapaxes(z, -1, -2) + blank[todo]
        ridge = 1e-15 * np.trace(gram, axis1=-2, axis2=-1)[:, None, None]
        gram += ridge * np.eye(y.shape[-1])
        step = np.linalg.solve(gram, missing[todo][..., None])[..., 0]
        turn = (step[:, None] @ z)[:, 0]
        gain = (y[todo] * step).sum(-1)
        dual[todo] += _share(turn, gain, *here) * step
    raise ValueError("no solution was found: do these equations have one?")


def _share(turn: Array, gain: Array, theta: Array, log_beta: Array) -> Array:
    """How much of a Newton step to take: a long one only where it lowers the dual."""
    longest = np.maximum(np.abs(turn).max(-1, keepdims=True), 1e-300)
    bold, safe = np.minimum(1, 4 / longest), np.minimum(1, 1 / longest)
    rise = _sizes(theta + bold * turn, log_beta) - _sizes(theta, log_beta)
    lower = rise.sum(-1, keepdims=True) <= bold * gain[:, None]
    return np.where(lower, bold, safe)


def _blocks(part: Array) -> list[Array]:
    return np.array_split(part, -(-len(part) // 32))
