"""Separable data: the largest margin, the limiting flow, and what both imply.

Z holds the examples times their labels, (seeds, examples, features).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from helpers.oracles.least_squares import Array, _apply


class MaximumMargin(NamedTuple):
    """The shortest w with Z w ≥ 1, and the duals ξ ≥ 0 with w = Σ ξᵢ zᵢ."""

    w: Array  # (seeds, features)
    duals: Array  # (seeds, examples)

    @property
    def margin(self) -> Array:
        return 1 / np.linalg.norm(self.w, axis=-1)

    @property
    def support(self) -> Array:
        return self.duals > 0


def maximum_margin(Z: ArrayLike) -> MaximumMargin:
    """By Lawson and Hanson's reduction to non-negative least squares."""
    found = [_shortest_separator(each) for each in np.asarray(Z)]
    return MaximumMargin(*map(np.stack, zip(*found, strict=True)))


def optimality(Z: ArrayLike, best: MaximumMargin) -> Array:
    """By how much the Karush-Kuhn-Tucker conditions are missed, at worst."""
    slack = _apply(Z, best.w) - 1
    weights = _apply(np.swapaxes(np.asarray(Z), -1, -2), best.duals) - best.w
    missed = -slack, np.abs(best.duals * slack), -best.duals, np.abs(weights)
    return np.max([violation.max(-1) for violation in missed], axis=0)


def next_margin(Z: ArrayLike, best: MaximumMargin) -> Array:
    """m: the smallest margin Z w of an example that is not a support vector."""
    return np.where(best.support, np.inf, _apply(Z, best.w)).min(-1)


def dual_entropy(best: MaximumMargin) -> Array:
    """H: the entropy of the duals over their sum."""
    share = best.duals / best.duals.sum(-1, keepdims=True)
    return -(share * np.log(np.where(share > 0, share, 1))).sum(-1)


def gap_constant(best: MaximumMargin) -> Array:
    """lim log t · (margin gap): γ (ℋ − ℋ∞), the entropy and min-entropy."""
    least = -np.log(best.duals.max(-1) / best.duals.sum(-1))
    return best.margin * (dual_entropy(best) - least)


def direction_constant(best: MaximumMargin, rho: ArrayLike) -> Array:
    """lim log t · ‖w/‖w‖ − ŵ/‖ŵ‖‖: γ times the part of ρ across ŵ."""
    unit = best.w * best.margin[..., None]
    across = rho - unit * (unit * rho).sum(-1, keepdims=True)
    return best.margin * np.linalg.norm(across, axis=-1)


def residual_limit(Z: ArrayLike, best: MaximumMargin, rate: ArrayLike = 1) -> Array:
    """The w̃ with rate · exp(−z·w̃) = ξ on the support vectors: shortest, if many."""
    Z = np.where(best.support[..., None], np.asarray(Z), 0)
    duals = np.where(best.support, best.duals, 1)
    scale = np.where(best.support, np.asarray(rate), 1)
    return _apply(np.linalg.pinv(Z, rcond=1e-10), np.log(scale / duals))


def settling_exponent(Z: ArrayLike, best: MaximumMargin) -> Array:
    """ν: the residual settles like t^−ν, the least curvature Σ ξᵢ (zᵢ·u)² in the span.

    What other examples add, t^−(m−1), comes on top.
    """
    stretched = np.sqrt(best.duals)[..., None] * np.asarray(Z)
    curvatures = np.linalg.svd(stretched, compute_uv=False) ** 2
    return np.where(curvatures > 1e-12, curvatures, np.inf).min(-1)


def logistic_flow(Z: ArrayLike, log_times: ArrayLike) -> Array:
    """w(t) of the gradient flow on Σ log(1 + e^{−z·w}), from 0.

    Shaped (times, seeds, features), for increasing times. It is integrated in
    s = log t, in which t = 10^4300 is as near as any other time.
    """
    return np.stack([_flow(each, log_times) for each in np.asarray(Z)], axis=1)


def logistic_minimiser(Z: ArrayLike) -> Array:
    """argmin Σ log(1 + e^{−z·w}), where the data overlap and it exists."""
    from scipy.optimize import minimize

    def solve(Z: Array) -> Array:
        def curvature(w: Array) -> Array:
            return Z.T * (expit(Z @ w) * expit(-Z @ w)) @ Z

        return minimize(
            lambda w: np.logaddexp(0, -Z @ w).sum(),
            np.zeros(Z.shape[1]),
            jac=lambda w: -Z.T @ expit(-Z @ w),
            hess=curvature,
            method="trust-exact",
            options={"gtol": 1e-11},
        ).x

    return np.stack([solve(each) for each in np.asarray(Z)])


def logistic_risk(w: ArrayLike, signal: ArrayLike, spread: ArrayLike) -> Array:
    """E log(1 + e^−y x·w) over new x, Gaussian, and labels that the signal draws.

    x·signal and x·w are Gaussian together: a quadrature in the plane.
    """
    spread = np.asarray(spread)
    w, signal = np.asarray(w) * spread, np.asarray(signal) * spread
    size = np.linalg.norm(signal, axis=-1)
    along = (w * signal).sum(-1) / size
    across = np.sqrt(np.maximum((w**2).sum(-1) - along**2, 0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()
    true = size[..., None] * nodes
    other = along[..., None] * nodes
    found = other[..., None] + across[..., None, None] * nodes
    losses = expit(true)[..., None] * np.logaddexp(0, -found)
    losses += expit(-true)[..., None] * np.logaddexp(0, found)
    return np.einsum("...ij,i,j->...", losses, weights, weights)


def tail_direction(Z: ArrayLike, power: float) -> Array:
    """Unit vectors along argmin ‖w‖^power Σ (z·w)^−power: a loss of polynomial tail.

    The minimum of ½‖v‖² + Σ (z·v)^−power / power lies in the same direction.
    """
    from scipy.optimize import minimize

    def solve(Z: Array, start: Array) -> Array:
        def objective(v: Array) -> float:
            margins = Z @ v
            if margins.min() <= 0:
                return np.inf
            return v @ v / 2 + (margins**-power).sum() / power

        def slope(v: Array) -> Array:
            return v - Z.T @ (Z @ v) ** (-power - 1)

        def curvature(v: Array) -> Array:
            bend = (power + 1) * (Z @ v) ** (-power - 2)
            return np.eye(len(v)) + Z.T * bend @ Z

        how = {"method": "trust-exact", "options": {"gtol": 1e-9, "maxiter": 1000}}
        v = minimize(objective, start, jac=slope, hess=curvature, **how).x
        return v / np.linalg.norm(v)

    starts = maximum_margin(Z).w
    return np.stack([solve(*pair) for pair in zip(np.asarray(Z), starts, strict=True)])


def box_separator(Z: ArrayLike) -> Array:
    """Of the largest margin among |wⱼ| ≤ 1, where signs lead, by linear programming."""
    from scipy.optimize import linprog

    def solve(Z: Array) -> Array:
        n, d = Z.shape
        bounds = [(-1, 1)] * d + [(0, None)]
        table = np.hstack([-Z, np.ones((n, 1))])
        answer = linprog(np.append(np.zeros(d), -1), table, np.zeros(n), bounds=bounds)
        return answer.x[:d]

    return np.stack([solve(each) for each in np.asarray(Z)])


def metric_separator(Z: ArrayLike, metric: ArrayLike) -> Array:
    """The w of least Σ metricⱼ wⱼ² with Z w ≥ 1, where descent in that metric leads."""
    root = np.sqrt(metric)
    return maximum_margin(np.asarray(Z) / root[:, None]).w / root


def adam_growth(
    box_margins: ArrayLike, rate: float, betas: tuple[float, float]
) -> Array:
    """δ, by which Adam's smallest margin grows a step in the end, without an ε.

    Gradients that shrink by e^-δ make its steps in each coordinate
    rate · (1 − β₁)/(1 − β₁e^δ) · √((1 − β₂e^2δ)/(1 − β₂)), and these make δ.
    """
    from scipy.optimize import brentq

    fast, slow = betas

    def excess(growth: float, step: float) -> float:
        mean = (1 - fast) / (1 - fast * np.exp(growth))
        memory = max(0, 1 - slow * np.exp(2 * growth)) / (1 - slow)
        return step * mean * memory**0.5 - growth

    most = np.log(1 / slow) / 2
    steps = rate * np.asarray(box_margins)
    return np.array([brentq(excess, 0, most, args=(step,)) for step in steps])


def margin(Z: ArrayLike, w: ArrayLike, order: float = 2) -> Array:
    """The smallest z·w, over a norm of w."""
    return _apply(Z, w).min(-1) / np.linalg.norm(w, order, axis=-1)


def log_loss(Z: ArrayLike, w: ArrayLike) -> Array:
    """log Σ log(1 + e^{−z·w}), which stays exact where the loss itself underflows."""
    m = _apply(Z, w)
    small = m > 30  # there log(1 + e⁻ᵐ) is e⁻ᵐ to the last digit
    each = np.where(small, -m, np.log(np.log1p(np.exp(-np.where(small, 0, m)))))
    return np.logaddexp.reduce(each, axis=-1)


def first_at(Z: ArrayLike, path: ArrayLike, log_losses: ArrayLike) -> Array:
    """Where paths, (looks, …, problems, features), first have each problem's loss.

    Between two looks they are taken to be straight, and so is the loss's logarithm.
    """
    path = np.asarray(path)
    logs = log_loss(Z, path)
    low = (logs <= log_losses).argmax(0)[None]
    if low.min() == 0:
        raise ValueError("a path begins below this loss, or never reaches it")
    before, after = (np.take_along_axis(logs, i, 0) for i in (low - 1, low))
    share = ((before - log_losses) / (before - after))[..., None]
    start, end = (np.take_along_axis(path, i[..., None], 0) for i in (low - 1, low))
    return (start + share * (end - start))[0]


def _shortest_separator(Z: Array) -> tuple[Array, Array]:
    from scipy.optimize import nnls

    n, d = Z.shape
    table = np.vstack([Z.T, np.ones(n)])
    u, _ = nnls(table, np.append(np.zeros(d), 1), maxiter=50 * n)
    chosen = u > 0
    # The duals of the chosen examples solve a small linear system: polish them.
    duals = np.zeros(n)
    gram = Z[chosen] @ Z[chosen].T
    duals[chosen] = np.linalg.lstsq(gram, np.ones(chosen.sum()), rcond=1e-12)[0]
    if duals.min() < 0 or (Z @ (Z.T @ duals)).min() < 1 - 1e-6:
        raise ValueError("no plane through the origin separates these data")
    return Z.T @ duals, duals


def _flow(Z: Array, log_times: ArrayLike) -> Array:
    from scipy.integrate import solve_ivp

    def pull(s: float, w: Array) -> Array:
        return np.exp(s - np.logaddexp(0, Z @ w))

    def velocity(s: float, w: Array) -> Array:
        return pull(s, w) @ Z

    def jacobian(s: float, w: Array) -> Array:
        return -Z.T * (pull(s, w) * expit(Z @ w)) @ Z

    how = {"method": "Radau", "jac": jacobian, "rtol": 1e-10, "atol": 1e-12}
    now, w, path = -25.0, np.exp(-25.0) / 2 * Z.sum(0), []
    for then in np.asarray(log_times, dtype=float):
        w = solve_ivp(velocity, (now, then), w, **how).y[:, -1]
        now = then
        path.append(w)
    return np.stack(path)
