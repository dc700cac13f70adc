"""The largest margin in a norm, with a certificate.

For any norm, the largest smallest margin ⟨Zᵢ, W⟩ among ‖W‖ ≤ 1 is the least dual norm
of a mixture Σ ξᵢ Zᵢ with ξ ≥ 0 and Σ ξᵢ = 1. So a separator and a mixture whose two
values agree are both optimal, however they were found.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.oracles.least_squares import Array
from helpers.oracles.separable import maximum_margin

DUAL = {"l1": "linf", "l2": "l2", "linf": "l1", "nuclear": "spectral"}
DUAL |= {"frobenius": "frobenius", "spectral": "nuclear"}
VECTORS = ("l1", "l2", "linf")


class Widest(NamedTuple):
    """Separators of norm one, and the mixtures that show them to be the widest."""

    W: Array  # (problems, features) or (problems, rows, columns)
    mixture: Array  # (problems, examples)
    margin: Array  # (problems,)
    excess: Array  # the mixture's dual norm over the margin, less one: nought at best


def size(W: ArrayLike, norm: str) -> Array:
    """The norm of vectors, along the last axis, or of matrices, along the last two."""
    W = np.asarray(W)
    if norm in VECTORS:
        return np.linalg.norm(W, {"l1": 1, "l2": 2, "linf": np.inf}[norm], axis=-1)
    order = {"nuclear": "nuc", "frobenius": "fro", "spectral": 2}[norm]
    return np.linalg.norm(W, order, axis=(-2, -1))


def margin(Z: ArrayLike, W: ArrayLike, norm: str) -> Array:
    """The smallest ⟨Zᵢ, W⟩ over the norm of W, which may hold others in front."""
    place = "d" if norm in VECTORS else "kd"
    inner = np.einsum(f"sn{place},...s{place}->...sn", np.asarray(Z), np.asarray(W))
    return inner.min(-1) / size(W, norm)


def widest(Z: ArrayLike, norm: str) -> Widest:
    """Z is (problems, examples, features), or (…, rows, columns) for matrices."""
    Z = np.asarray(Z)
    found = [_SOLVERS[norm](each) for each in Z]
    W, mixture = map(np.stack, zip(*found, strict=True))
    W = W / size(W, norm).reshape(-1, *[1] * (W.ndim - 1))
    most = margin(Z, W, norm)
    mixed = np.einsum("sn,sn...->s...", mixture, Z)
    return Widest(W, mixture, most, size(mixed, DUAL[norm]) / most - 1)


def _by_linear_program(Z: Array, bound: Array, most: float) -> tuple[Array, Array]:
    """Of w = u − v with 0 ≤ u, v ≤ most and bound · (u, v) ≤ 1."""
    from scipy.optimize import linprog

    n, d = Z.shape
    table = np.vstack([np.hstack([-Z, Z, np.ones((n, 1))]), np.append(bound, 0)])
    answer = linprog(
        np.append(np.zeros(2 * d), -1),
        table,
        np.append(np.zeros(n), 1),
        bounds=[(0, most)] * (2 * d) + [(None, None)],
    )
    return answer.x[:d] - answer.x[d : 2 * d], -answer.ineqlin.marginals[:n]


def _diamond(Z: Array) -> tuple[Array, Array]:
    return _by_linear_program(Z, np.ones(2 * Z.shape[1]), np.inf)


def _box(Z: Array) -> tuple[Array, Array]:
    return _by_linear_program(Z, np.zeros(2 * Z.shape[1]), 1)


def _ball(Z: Array) -> tuple[Array, Array]:
    best = maximum_margin(Z.reshape(1, len(Z), -1))
    return best.w[0].reshape(Z.shape[1:]), best.duals[0] / best.duals[0].sum()


def _nuclear(Z: Array) -> tuple[Array, Array]:
    """W = U Vᵀ with ‖U‖² + ‖V‖² = 2, whose nuclear norm is then 1 at most."""
    n, k, d = Z.shape

    def parts(x: Array) -> tuple[Array, Array]:
        return x[: k * k].reshape(k, k), x[k * k :].reshape(d, k)

    def separator(x: Array) -> Array:
        U, V = parts(x)
        return U @ V.T

    def slopes(x: Array) -> Array:
        U, V = parts(x)
        along = Z @ V, Z.swapaxes(1, 2) @ U
        return np.hstack([each.reshape(n, -1) for each in along])

    left, s, right = np.linalg.svd(_ball(Z)[0], full_matrices=False)
    start = np.concatenate([(left * s**0.5).ravel(), (right.T * s**0.5).ravel()])
    start *= (2 / (start @ start)) ** 0.5
    W = _by_program(
        Z,
        start,
        separator,
        slopes,
        lambda x: np.array([2 - x @ x]),
        lambda x: -2 * x[None],
    )
    # A mixture G with G V = γ U and Gᵀ U = γ V holds W: U, V its singular vectors.
    left, s, right = np.linalg.svd(W, full_matrices=False)
    U, V = left[:, s > 1e-6], right[s > 1e-6].T
    A, most = _nearest(Z, W)
    held = A @ V - most * U, A.swapaxes(1, 2) @ U - most * V
    return W, _balanced(Z, W, held)


def _spectral(Z: Array) -> tuple[Array, Array]:
    """W beside L with W Wᵀ + L Lᵀ = I, so that W has the spectral norm 1 at most."""
    n, k, d = Z.shape
    pairs = np.tril_indices(k)
    flat = np.concatenate([Z, np.zeros((n, k, k))], axis=2).reshape(n, -1)

    def separator(x: Array) -> Array:
        return x.reshape(k, d + k)[:, :d]

    def missed(x: Array) -> Array:
        rows = x.reshape(k, d + k)
        return (rows @ rows.T - np.eye(k))[pairs]

    def missed_slopes(x: Array) -> Array:
        rows = x.reshape(k, d + k)
        table = np.zeros((len(pairs[0]), k, d + k))
        for each, (a, b) in zip(table, zip(*pairs, strict=True), strict=True):
            each[a] += rows[b]
            each[b] += rows[a]
        return table.reshape(len(table), -1)

    start = _ball(Z)[0]
    start = 0.9 * start / size(start, "spectral")
    rest = np.linalg.cholesky(np.eye(k) - start @ start.T)
    start = np.hstack([start, rest]).ravel()
    W = _by_program(Z, start, separator, lambda x: flat, missed, missed_slopes, "eq")
    # A mixture G with G = G Wᵀ W and G Wᵀ symmetric holds W.
    A, _ = _nearest(Z, W)
    turned = A @ W.T
    return W, _balanced(Z, W, (A - turned @ W, turned - turned.swapaxes(1, 2)))


def _by_program(
    Z: Array,
    start: Array,
    separator: Callable[[Array], Array],
    slopes: Callable[[Array], Array],
    room: Callable[[Array], Array],
    room_slopes: Callable[[Array], Array],
    kind: str = "ineq",
) -> Array:
    """The largest t with every margin at least t, by sequential quadratic programs."""
    from scipy.optimize import minimize

    def margins(x: Array) -> Array:
        return np.einsum("nkd,kd->n", Z, separator(x))

    def above(v: Array) -> Array:
        return np.hstack([slopes(v[:-1]), -np.ones((len(Z), 1))])

    def fits(v: Array) -> Array:
        slope = room_slopes(v[:-1])
        return np.hstack([slope, np.zeros((len(slope), 1))])

    wide = {"type": "ineq", "fun": lambda v: margins(v[:-1]) - v[-1], "jac": above}
    small = {"type": kind, "fun": lambda v: room(v[:-1]), "jac": fits}
    found = np.append(start, margins(start).min())
    for _ in range(6):  # it may stop short: from there, start afresh
        before = found[-1]
        found = minimize(
            lambda v: -v[-1],
            found,
            jac=lambda v: np.append(np.zeros(len(v) - 1), -1),
            constraints=[wide, small],
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 200},
        ).x
        if abs(found[-1] - before) < 1e-10 * found[-1]:
            break
    return separator(found[:-1])


def _nearest(Z: Array, W: Array) -> tuple[Array, float]:
    """The examples of smallest margin, and that margin."""
    margins = np.einsum("nkd,kd->n", Z, W)
    return Z[margins < margins.min() + 1e-6 * abs(margins.min())], margins.min()


def _balanced(Z: Array, W: Array, conditions: tuple[Array, ...]) -> Array:
    """Shares ξ ≥ 0 of the nearest examples under which all conditions add to nought."""
    from scipy.optimize import nnls

    margins = np.einsum("nkd,kd->n", Z, W)
    near = margins < margins.min() + 1e-6 * abs(margins.min())
    table = np.hstack([each.reshape(near.sum(), -1) for each in conditions]).T
    goal = np.append(np.zeros(len(table)), 1)
    shares, _ = nnls(np.vstack([table, np.ones(near.sum())]), goal)
    mixture = np.zeros(len(Z))
    mixture[near] = shares / shares.sum()
    return mixture


_SOLVERS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "l1": _diamond,
    "l2": _ball,
    "linf": _box,
    "nuclear": _nuclear,
    "frobenius": _ball,
    "spectral": _spectral,
}
