"""The diagonal linear network f(z) = z·(u⊙u − v⊙v) under SGD and descent.

Many independent runs ("cells") at a time, of shape (..., seeds, features) as in
`dynamics`: settings may be stacked in front of the seeds, whose problems they share.
The inner loop is compiled by numba, or one batched PyTorch program on the device that
is named; both draw the same random numbers.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diagonal import draws
from helpers.dials import BookError

Array = NDArray[np.float64]


class State(NamedTuple):
    """The parameters, and what has happened to them so far."""

    u: Array  # (..., seeds, features)
    v: Array
    taken: int  # steps: the place in the stream of random numbers
    heat: Array  # (..., seeds): Σ log(1 − 4 rate² r²) over the steps of `sgd`
    broke: NDArray[np.int64]  # (..., seeds): the step at which it diverged, or −1

    @property
    def w(self) -> Array:
        """The linear predictor."""
        return self.u**2 - self.v**2

    @property
    def beta(self) -> Array:
        """2uv, the scale below which the network counts a weight as small."""
        return 2 * np.abs(self.u * self.v)

    @property
    def theta(self) -> Array:
        """log u/v: gradient flow moves it in the span of the examples only."""
        return np.log(np.abs(self.u / self.v))


def start(task: Any, scale: ArrayLike, *, positive: bool = False) -> State:
    """u = v = scale for each seed of the task; `positive` has no v: f(z) = z·(u⊙u)."""
    seeds, _, features = task.X.shape
    scale = np.asarray(scale, dtype=float)
    u = np.ones((*scale.shape, seeds, features)) * scale[..., None, None]
    v = np.zeros_like(u) if positive else u.copy()
    return State(u, v, 0, np.zeros(u.shape[:-1]), np.full(u.shape[:-1], -1))


def sgd(
    task: Any,
    state: State,
    rate: ArrayLike,
    steps: int,
    *,
    noise: ArrayLike = 0.0,
    seeds: ArrayLike = 0,
    device: str | None = None,
    may_diverge: bool = False,
) -> State:
    """That many steps more, each on one random example with ± `noise` on its label.

    `rate`, `noise` and `seeds` are given for every cell, or broadcast to them.
    """
    inner = [_each(state, rate), _each(state, noise), draws.keys(_each(state, seeds))]
    if not may_diverge:
        _unbroken(state)
        _stable(rate, largest_slope(task, state), "‖∇f‖²")
    ended = _run("one_example", task, state, inner, steps, [], device)
    return ended if may_diverge else _unbroken(ended)


def descent(
    task: Any,
    state: State,
    rate: ArrayLike,
    steps: int,
    *,
    label: float = 0.0,
    batch: float = 0.0,
    sphere: float = 0.0,
    seeds: ArrayLike = 0,
    device: str | None = None,
    may_diverge: bool = False,
) -> State:
    """That many steps more on all examples, with one of HaoChen et al.'s noises.

    `label`: normal, of that size, on one random label; `batch`: that many times the
    difference of two random examples' gradients; `sphere`: normal, of that size, on the
    gradient of every parameter. Without the first and the last it rests once it fits.
    """
    noise = float(label), float(batch), float(sphere)
    keys = draws.keys(_each(state, seeds))
    inner = [bool(np.any(state.v)), _each(state, rate), noise, keys]
    if not may_diverge:
        _unbroken(state)
        _stable(rate, largest_curvature(task, state), "curvature")
    last = [draws.normal_levels(), _rounding(task, state)]
    ended = _run("all_examples", task, state, inner, steps, last, device)
    return ended if may_diverge else _unbroken(ended)


def path(advance: Any, state: State, stops: Iterable[int]) -> list[State]:
    """The states after each of the given increasing steps of `advance(state, more)`."""
    states = []
    for stop in stops:
        state = advance(state, int(stop) - state.taken)
        states.append(state)
    return states


def largest_slope(task: Any, state: State) -> Array:
    """max ‖∇f(zᵢ)‖²: at rates beyond 2 over it, SGD throws an example out."""
    squares = np.square(np.asarray(task.X))
    sizes = 4 * (state.u**2 + state.v**2)
    return (squares @ sizes[..., None])[..., 0].max(-1)


def largest_curvature(task: Any, state: State) -> Array:
    """The largest eigenvalue of the Hessian of the mean of ½(f − y)², where it fits."""
    X, sizes = np.asarray(task.X), 4 * (state.u**2 + state.v**2)
    gram = (X * sizes[..., None, :]) @ np.swapaxes(X, -1, -2) / X.shape[1]
    return np.linalg.eigvalsh(gram)[..., -1]


def _rounding(task: Any, state: State) -> Array:
    """For each cell, a sum of residuals that rounding keeps steps from reducing."""
    reach = np.abs(np.asarray(task.X)) @ (state.u**2 + state.v**2)[..., None]
    return np.maximum(1e-13, 1e-15 * reach.sum((-2, -1))).ravel()


def _run(kernel, task, state, inner, steps, last, device) -> State:
    """Hand flat copies of everything to the engine, which changes them in place."""
    shape, features = state.u.shape, state.u.shape[-1]
    Z, y = (np.ascontiguousarray(part, dtype=float) for part in (task.X, task.y))
    u, v = (np.array(part).reshape(-1, features) for part in (state.u, state.v))
    heat, broke = np.array(state.heat).ravel(), np.array(state.broke).ravel()
    tally = [heat, broke] if kernel == "one_example" else [broke]
    parts = [Z, y, u, v, *inner, state.taken, int(steps), *tally, *last]
    _engine(device)(kernel, *parts)
    cells = shape[:-1]
    return State(
        u.reshape(shape),
        v.reshape(shape),
        state.taken + int(steps),
        heat.reshape(cells),
        broke.reshape(cells),
    )


def _engine(device: str | None):
    try:
        from helpers.diagonal import compiled
    except ImportError:
        compiled = None
    if device is None and compiled:
        return lambda kernel, *parts: getattr(compiled, kernel)(*parts)
    from helpers.diagonal import batched

    return lambda kernel, *parts: batched.on(device or "cpu", kernel, *parts)


def _each(state: State, setting: ArrayLike) -> Array:
    """A setting, one for each cell."""
    try:
        return np.broadcast_to(setting, state.u.shape[:-1]).ravel()
    except ValueError:
        raise BookError(
            f"a setting of shape {np.shape(setting)} does not fit cells of shape "
            f"{state.u.shape[:-1]}: give one number, or one for each cell"
        ) from None


def _stable(rate: ArrayLike, size: Array, what: str) -> None:
    product = np.max(rate * size)
    if not product < 2:
        most = np.max(rate) * 2 / product
        raise BookError(
            f"the rate {np.max(rate):.3g} is beyond stability: times the largest {what}"
            f" it is {product:.3g}, and must be below 2: take a rate below {most:.2g}"
        )


def _unbroken(state: State) -> State:
    broken = state.broke >= 0
    if broken.any():
        raise BookError(
            f"{broken.sum()} of {broken.size} runs diverged, the first at step "
            f"{state.broke[broken].min()}: take a smaller rate or less noise"
        )
    return state
