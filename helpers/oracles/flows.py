"""Limiting flows on separable data, of the logistic loss, in s = log t.

There each pull t·e^−margin stays of order one, and t = 10^300 is as near as any time.
Z holds the examples times their labels, (problems, examples, features).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from helpers.oracles.least_squares import Array

_START = -25.0  # of s: nothing has moved yet
_HOW = {"method": "LSODA", "rtol": 1e-8, "atol": 1e-10}


def mirror_flow(
    Z: ArrayLike,
    log_times: Sequence[float],
    weights: Callable[[Array], Array],
    bend: Callable[[Array], Array],
) -> Array:
    """Of a potential Σ ψ(wⱼ), from w = 0: (times, problems, features).

    `weights` is the inverse of ψ′, and `bend` its derivative.
    """
    from scipy.integrate import solve_ivp

    def follow(Z: Array) -> list[Array]:
        def pull(s: float, w: Array) -> Array:
            return np.exp(s - np.logaddexp(0, Z @ w))

        def velocity(s: float, dual: Array) -> Array:
            return pull(s, weights(dual)) @ Z

        def jacobian(s: float, dual: Array) -> Array:
            w = weights(dual)
            return -Z.T * (pull(s, w) * expit(Z @ w)) @ (Z * bend(dual))

        now, dual, path = _START, np.exp(_START) / 2 * Z.sum(0), []
        for then in log_times:
            run = solve_ivp(velocity, (now, then), dual, jac=jacobian, **_HOW)
            now, dual = then, run.y[:, -1]
            path.append(weights(dual))
        return path

    return np.stack([follow(each) for each in np.asarray(Z)], axis=1)


def adagrad_flow(
    Z: ArrayLike,
    log_times: Sequence[float],
    rate: float,
    start: float,
    *,
    shared: bool = False,
) -> tuple[Array, Array]:
    """The weights, and the sums of squared gradients that divide its steps.

    Each feature's sum begins at `start`; if `shared`, all have one sum.
    """
    from scipy.integrate import solve_ivp

    def follow(Z: Array) -> list[Array]:
        features = Z.shape[1]

        def velocity(s: float, state: Array) -> Array:
            w, total = state[:features], np.exp(state[features:])
            g = np.exp(s - np.logaddexp(0, Z @ w)) @ Z  # times t
            square = np.full(features, (g**2).sum()) if shared else g**2
            return np.append(rate * g / total**0.5, np.exp(-s) * square / total)

        state = np.append(np.zeros(features), np.full(features, np.log(start)))
        now, path = _START, []
        for then in log_times:
            state = solve_ivp(velocity, (now, then), state, **_HOW).y[:, -1]
            now = then
            path.append(state)
        return path

    both = np.stack([follow(each) for each in np.asarray(Z)], axis=1)
    w, log_total = np.split(both, 2, axis=-1)
    return w, np.exp(log_total)
