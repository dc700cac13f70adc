"""One neuron, or one hidden layer of neurons: their flows, and descents on them.

The activation has slope 1 above zero and at it, and slope `leak` below: 0 is the ReLU,
1 a linear neuron. Of a hidden layer each row is a neuron, (..., hidden, features + 1):
the weights that lead in, and in the last column the one that leads out.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from helpers.dials import BookError
from helpers.problems.interpolating import Array
from helpers.problems.linear import LeastSquares

Velocity = Callable[[Array], Array]


class Activation(NamedTuple):
    value: Velocity
    slope: Velocity


def leaky(leak: float) -> Activation:
    def slope(inputs: Array) -> Array:
        return np.where(inputs >= 0, 1, leak)

    return Activation(lambda inputs: slope(inputs) * inputs, slope)


TANH = Activation(np.tanh, lambda inputs: 1 - np.tanh(inputs) ** 2)


def one_neuron(problem: LeastSquares, activation: Activation) -> Velocity:
    """Minus the gradient of ½ Σ (φ(x·w) − y)², in w."""
    y = np.asarray(problem.y)
    return _steered(problem.X, activation, lambda values: y - values)


def logistic_neuron(problem: LeastSquares, activation: Activation) -> Velocity:
    """Minus the gradient of Σ log(1 + exp(∓φ(x·w))): − where y > 0, + where y = 0."""
    sign = np.where(np.asarray(problem.y) > 0, 1, -1)
    return _steered(problem.X, activation, lambda values: sign * expit(-sign * values))


def _steered(X: ArrayLike, activation: Activation, pull: Velocity) -> Velocity:
    """In w, where `pull` says how much each output is to rise."""
    X = np.asarray(X)

    def velocity(w: Array) -> Array:
        inputs = (X @ w[..., None])[..., 0]
        steer = pull(activation.value(inputs)) * activation.slope(inputs)
        return (steer[..., None, :] @ X)[..., 0, :]

    return velocity


def hidden_layer(problem: LeastSquares, activation: Activation) -> Velocity:
    """Minus the gradient of ½ Σ (Σⱼ vⱼ φ(x·uⱼ) − y)², in the rows (uⱼ, vⱼ)."""
    X, y = map(np.asarray, problem)

    def velocity(rows: Array) -> Array:
        into, out = rows[..., :-1], rows[..., -1:]
        inputs = into @ X.swapaxes(-1, -2)
        values = activation.value(inputs)
        missing = (y - (out * values).sum(-2))[..., None, :]
        steer = (missing * out * activation.slope(inputs)) @ X
        return np.concatenate([steer, (missing * values).sum(-1, keepdims=True)], -1)

    return velocity


def flow(
    velocity: Velocity, start: ArrayLike, times: ArrayLike, method: str = "LSODA"
) -> Array:
    """The weights at increasing times, stacked in front, to 1e-10 a step.

    All problems of a batch share their steps.
    """
    return _integrated(lambda _, w: velocity(w), start, 0, times, method)


def flow_in_log_time(
    velocity: Velocity, start: ArrayLike, since: float, log_times: ArrayLike
) -> Array:
    """The same in s = log t, where it is slow, from the logarithm of a time on."""
    return _integrated(
        lambda s, w: np.exp(s) * velocity(w), start, since, log_times, "LSODA"
    )


def _integrated(speed, start, since, times, method) -> Array:
    from scipy.integrate import solve_ivp

    start, times = np.asarray(start, dtype=float), np.atleast_1d(times)
    answer = solve_ivp(
        lambda t, w: speed(t, w.reshape(start.shape)).ravel(),
        (since, times[-1]),
        start.ravel(),
        method,
        times,
        rtol=1e-10,
        atol=1e-12,
    )
    if not answer.success:
        raise BookError(f"the flow was not integrated: {answer.message}")
    return answer.y.T.reshape(len(times), *start.shape)


def from_zero(
    problem: LeastSquares,
    activation: Activation,
    times: ArrayLike,
    method: str = "LSODA",
) -> Array:
    """The flow of one neuron from w = 0: (times, problems, features)."""
    start = np.zeros_like(problem.X[:, 0])
    return flow(one_neuron(problem, activation), start, times, method)


def euler(velocity: Velocity, w: Array, rate: float) -> Iterator[Array]:
    """Gradient descent, its start first."""
    while True:
        yield w
        w = w + rate * velocity(w)


def heun(velocity: Velocity, w: Array, rate: float) -> Iterator[Array]:
    """Steps along the mean of the slopes at both ends: the flow, to second order."""
    while True:
        yield w
        here = velocity(w)
        w = w + rate / 2 * (here + velocity(w + rate * here))
