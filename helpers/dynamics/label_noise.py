"""SGD with label noise, and what it is compared with, on models that can interpolate.

As `linear`, but in NumPy: its steps are small, and there are many of them. Weights have
shape (..., seeds, parameters): settings and independent chains are stacked in front,
and a seed fixes the noise of all its chains.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.dials import BookError
from helpers.dynamics.linear import gradient
from helpers.problems.interpolating import Interpolating

Array = NDArray[np.float64]
Stream = Iterator[Array]
FITTED = 1e-3  # of the mean squared residual, below which a start counts as a minimum
_BLOCK = 512  # steps whose noise is drawn at a time


def snapshots(stream: Stream, steps: Iterable[int]) -> Array:
    """The iterates after each of the given increasing steps, stacked in front."""
    wanted = set(steps)
    numbered = zip(range(max(wanted) + 1), stream, strict=False)
    return np.stack([w for step, w in numbered if step in wanted])


def descent(model: Interpolating, w: Array, rate: ArrayLike) -> Stream:
    """Gradient descent on the mean loss, from anywhere."""
    while True:
        yield w
        w = w - rate * gradient(model, w, "mean")


def label_noise_sgd(
    model: Interpolating,
    w: Array,
    rate: ArrayLike,
    noise: ArrayLike,
    seeds: Iterable[int],
    *,
    batch: int | None = None,
    momentum: float = 0,
) -> Stream:
    """Each step sees the labels y ± noise, with fresh signs, from a start that fits y.

    A step takes all examples, or `batch` of them, drawn with replacement.
    """
    _check(model, w, rate, noise, momentum)
    velocity = np.zeros_like(w)
    for chosen, signs in _draws(seeds, w.shape[:-2], model.y.shape[-1], batch):
        yield w
        task = model if chosen is None else model.only(chosen)
        outputs, pull = task.linearise(w)
        g = pull(outputs - task.y - noise * signs) / signs.shape[-1]
        velocity = momentum * velocity - rate * g
        w = w + velocity


def turned_noise_sgd(
    model: Interpolating,
    w: Array,
    rate: ArrayLike,
    noise: ArrayLike,
    seeds: Iterable[int],
) -> Stream:
    """The kick of `label_noise_sgd`, as long, but in a random direction of weights."""
    _check(model, w, rate, noise)
    generators = [np.random.default_rng([seed, 1]) for seed in seeds]
    for _, signs in _draws(seeds, w.shape[:-2], model.y.shape[-1], None):
        yield w
        outputs, pull = model.linearise(w)
        kick = np.linalg.norm(pull(noise * signs), axis=-1, keepdims=True)
        shape = (*w.shape[:-2], w.shape[-1])
        z = np.stack([random.normal(size=shape) for random in generators], axis=-2)
        z *= kick / np.linalg.norm(z, axis=-1, keepdims=True)
        w = w - rate * (pull(outputs - model.y) - z) / signs.shape[-1]


def mean_square(model: Interpolating, w: Array) -> Array:
    """Of the residuals: twice the loss."""
    return np.square(model.linearise(w)[0] - model.y).mean(-1)


def jacobian(model: Interpolating, w: Array) -> Array:
    """∇fᵢ(w), (..., seeds, examples, parameters)."""
    outputs, pull = model.linearise(w)
    rows = np.eye(outputs.shape[-1])
    return np.stack([pull(np.broadcast_to(row, outputs.shape)) for row in rows], -2)


def trace(model: Interpolating, w: Array) -> Array:
    """tr ∇²L where the data are fitted: the mean of ‖∇fᵢ‖²."""
    return np.square(jacobian(model, w)).sum(-1).mean(-1)


def largest_curvature(model: Interpolating, w: Array) -> Array:
    """λ_max of ∇²L where the data are fitted."""
    tangents = jacobian(model, w)
    kernel = tangents @ np.swapaxes(tangents, -1, -2) / tangents.shape[-2]
    return np.linalg.eigvalsh(kernel)[..., -1]


def sampled(stream: Stream, first: int, last: int, every: int) -> Iterator[Array]:
    """One iterate in `every` from the first step to the last, to average over time."""
    return islice(stream, first, last, every)


def _check(
    model: Interpolating,
    w: Array,
    rate: ArrayLike,
    noise: ArrayLike,
    momentum: float = 0,
) -> None:
    if np.min(noise) < 0:
        raise BookError(f"label noise of size {np.min(noise)}: give 0 or more")
    first = w.reshape(-1, *w.shape[-2:])[0]
    worst = mean_square(model, first).max()
    if not worst <= FITTED:
        raise BookError(
            f"the start is no minimum: its mean squared residual is {worst:.2g}, and "
            f"label noise needs {FITTED} or less; run `descent` first"
        )
    sharpest = largest_curvature(model, first).max()
    limit = 2 * (1 + momentum) / sharpest
    if np.max(rate) >= limit:
        raise BookError(
            f"rate {np.max(rate):.3g} is at or beyond the {limit:.3g} at which descent "
            "leaves this start, 2(1 + momentum)/λ_max: take a smaller one"
        )


def _draws(
    seeds: Iterable[int], chains: tuple[int, ...], examples: int, batch: int | None
) -> Iterator[tuple[NDArray[np.int64] | None, NDArray[np.int8]]]:
    """Which examples, (seeds, batch), and their signs, (..., seeds, batch)."""
    generators = [np.random.default_rng(seed) for seed in seeds]
    size = examples if batch is None else batch
    while True:
        chosen = [None] * _BLOCK
        if batch is not None:
            picks = [r.integers(examples, size=(_BLOCK, batch)) for r in generators]
            chosen = np.stack(picks, axis=1)
        shape = (_BLOCK, *chains, size)
        flips = [r.integers(2, size=shape, dtype=np.int8) for r in generators]
        signs = 2 * np.stack(flips, axis=-2) - 1
        yield from zip(chosen, signs, strict=True)
