"""The diagonal linear network f(z) = z·(u⊙u − v⊙v) under SGD and descent.

Many independent runs ("cells") at a time, of shape (..., seeds, features): settings may
be stacked in front of the seeds, whose problems they share. The inner loops are
compiled, in `diagonal_kernels`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.dials import BookError
from helpers.dynamics import draws

Array = NDArray[np.float64]


class State(NamedTuple):
    """The parameters, and what has happened to them so far."""

    u: Array  # (..., seeds, features)
    v: Array
    steps: int  # taken so far: the place in the stream of random numbers
    log_beta_change: Array  # (..., seeds): Σ log(1 − 4 rate² r²) over the steps of sgd
    diverged_at: NDArray[np.int64]  # (..., seeds): the step, or −1

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


class Falls(NamedTuple):
    """What a run without label noise takes off log β, told from its own residuals.

    A step multiplies uv by 1 − 4 rate² s², s the mean of r z over its batch. For signs
    s² is, in the mean over batches, (mean r²)/batch + (1 − 1/batch) (mean r z)²: what
    sampling adds, and what a step on all examples has too.
    """

    noise: Array  # (..., seeds): −Σ mean log(1 − 4 rate² r²/batch)
    step: Array  # (..., seeds, features): −Σ log(1 − 4 rate² (1 − 1/batch) (mean r z)²)


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
    may_diverge: bool = False,
) -> State:
    """That many steps more, each on one random example with ± `noise` on its label.

    `rate`, `noise` and `seeds` are given for every cell, or broadcast to them.
    """
    from helpers.dynamics.diagonal_kernels import one_example

    rates, sizes, keys = (_each_cell(state, part) for part in (rate, noise, seeds))
    if not may_diverge:
        _refuse_diverged(state)
        _refuse_unstable(rate, largest_slope(task, state), "‖∇f‖²")
    X, y = _data(task)
    u, v, change, diverged_at = _flat_copy(state)
    settings = rates, sizes, draws.keys(keys), state.steps, int(steps)
    one_example(X, y, u, v, change, diverged_at, *settings)
    ended = _shaped(state, u, v, steps, change, diverged_at)
    return ended if may_diverge else _refuse_diverged(ended)


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
    may_diverge: bool = False,
) -> State:
    """That many steps more on all examples, with one of HaoChen et al.'s noises.

    `label`: normal, of that size, on one random label; `batch`: that many times the
    difference of two random examples' gradients; `sphere`: normal, of that size, on the
    gradient of every parameter. Without the first and the last it rests once it fits.
    """
    from helpers.dynamics.diagonal_kernels import all_examples

    rates, keys = _each_cell(state, rate), draws.keys(_each_cell(state, seeds))
    if not may_diverge:
        _refuse_diverged(state)
        _refuse_unstable(rate, largest_curvature(task, state), "curvature")
    X, y = _data(task)
    u, v, change, diverged_at = _flat_copy(state)
    noise = float(label), float(batch), float(sphere)
    settings = rates, noise, keys, state.steps, int(steps)
    fixed = draws.normal_levels(), bool(v.any()), _rounding(task, state)
    all_examples(X, y, u, v, diverged_at, *settings, *fixed)
    ended = _shaped(state, u, v, steps, change, diverged_at)
    return ended if may_diverge else _refuse_diverged(ended)


def in_batches(
    task: Any,
    state: State,
    rate: ArrayLike,
    batch: ArrayLike,
    steps: int,
    *,
    seeds: ArrayLike = 0,
) -> tuple[State, Falls]:
    """So many steps on `batch` examples, drawn with replacement; of inf, on all.

    `rate`, `batch` and `seeds` are given for every cell, or broadcast to them. A run
    rests once it fits.
    """
    from helpers.dynamics.diagonal_kernels import few_examples

    _refuse_diverged(state)
    rates, sizes, keys = (_each_cell(state, part) for part in (rate, batch, seeds))
    X, y = _data(task)
    u, v, change, diverged_at = _flat_copy(state)
    falls = Falls(np.zeros_like(change), np.zeros_like(u))
    settings = rates, sizes, draws.keys(keys), state.steps, int(steps)
    few_examples(X, y, u, v, *falls, diverged_at, *settings, _rounding(task, state))
    ended = _refuse_diverged(_shaped(state, u, v, steps, change, diverged_at))
    cells = state.u.shape[:-1]
    return ended, Falls(falls.noise.reshape(cells), falls.step.reshape(state.u.shape))


def path(
    advance: Callable[[State, int], State], state: State, stops: Iterable[int]
) -> list[State]:
    """The states after each of the given increasing steps of `advance(state, more)`."""
    states = []
    for stop in stops:
        state = advance(state, int(stop) - state.steps)
        states.append(state)
    return states


def sgd_path(
    task: Any, state: State, rate: ArrayLike, stops: Iterable[int], **settings: Any
) -> list[State]:
    """The states of `sgd` after so many steps."""
    return path(
        lambda at, more: sgd(task, at, rate, more, **settings),
        state,
        stops,
    )


def descent_path(
    task: Any,
    state: State,
    rate: float,
    stops: Iterable[int],
    *,
    phase: float = np.inf,
    **settings: Any,
) -> list[State]:
    """Those of `descent`; each phase of so many steps has a tenth of the last's rate.

    A phase must end at one of the stops.
    """
    return path(
        lambda at, more: descent(
            task, at, rate / 10.0 ** (at.steps // phase), more, **settings
        ),
        state,
        stops,
    )


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


def _data(task: Any) -> list[Array]:
    return [np.ascontiguousarray(part, dtype=float) for part in (task.X, task.y)]


def _flat_copy(state: State) -> list[np.ndarray]:
    """A row a cell: the kernels change these in place."""
    u, v = (np.array(part).reshape(-1, part.shape[-1]) for part in (state.u, state.v))
    return [u, v, np.array(state.log_beta_change).ravel(), state.diverged_at.flatten()]


def _shaped(
    before: State,
    u: Array,
    v: Array,
    steps: int,
    change: Array,
    diverged_at: np.ndarray,
) -> State:
    cells = before.u.shape[:-1]
    return State(
        u.reshape(before.u.shape),
        v.reshape(before.u.shape),
        before.steps + int(steps),
        change.reshape(cells),
        diverged_at.reshape(cells),
    )


def _each_cell(state: State, setting: ArrayLike) -> Array:
    try:
        return np.broadcast_to(setting, state.u.shape[:-1]).ravel()
    except ValueError:
        raise BookError(
            f"a setting of shape {np.shape(setting)} does not fit cells of shape "
            f"{state.u.shape[:-1]}: give one number, or one for each cell"
        ) from None


def _refuse_unstable(rate: ArrayLike, size: Array, what: str) -> None:
    product = np.max(rate * size)
    if not product < 2:
        most = np.max(rate) * 2 / product
        raise BookError(
            f"the rate {np.max(rate):.3g} is beyond stability: times the largest {what}"
            f" it is {product:.3g}, and must be below 2: take a rate below {most:.2g}"
        )


def _refuse_diverged(state: State) -> State:
    diverged = state.diverged_at >= 0
    if diverged.any():
        raise BookError(
            f"{diverged.sum()} of {diverged.size} runs diverged, the first at step "
            f"{state.diverged_at[diverged].min()}: take a smaller rate or less noise"
        )
    return state
