"""Descents on linear models, as endless streams of iterates, batched over seeds.

A stream yields its start first, so that `after(stream, k)` is the k-th iterate. Weights
have shape (..., seeds, features): settings may be stacked in front of the seeds.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from helpers.problems.interpolating import Array, Interpolating
from helpers.problems.linear import Classification, LeastSquares

Problem = LeastSquares | Classification
Stream = Iterator[Tensor]
Rate = float | Tensor
_BLOCK = 1024  # random indices drawn at a time


def after(stream: Stream, steps: int) -> Tensor:
    """The iterate that the stream reaches after `steps` steps."""
    return next(islice(stream, steps, None))


def path(stream: Stream, steps: Iterable[int]) -> Tensor:
    """The iterates after each of the given increasing steps, stacked in front."""
    wanted = set(steps)
    numbered = zip(range(max(wanted) + 1), stream, strict=False)
    return torch.stack([w for step, w in numbered if step in wanted])


def predictions(problem: Problem, w: Tensor) -> Tensor:
    X = problem.X
    if w.ndim < X.ndim:
        return (X @ w.unsqueeze(-1)).squeeze(-1)
    # settings side by side as columns, or X would be copied for each of them
    columns = w.flatten(0, w.ndim - X.ndim).movedim(0, -1)
    return (X @ columns).movedim(-1, 0).reshape(*w.shape[:-1], X.shape[-2])


def residual(problem: LeastSquares, w: Tensor) -> Tensor:
    return predictions(problem, w) - problem.y


def gradient(
    problem: Problem | Interpolating,
    w: Tensor | Array,
    reduction: Literal["sum", "mean"] = "sum",
) -> Tensor | Array:
    """Of the problem's loss: the sum over its examples, or their mean."""
    if isinstance(problem, Interpolating):
        outputs, pull = problem.linearise(w)
        total = pull(outputs - problem.y)
    else:
        outputs = predictions(problem, w)
        total = _pull_back(problem.X, problem.slopes(outputs))
    return total if reduction == "sum" else total / outputs.shape[-1]


def gradient_descent(problem: Problem, w: Tensor, rate: Rate) -> Stream:
    while True:
        yield w
        w = w - rate * gradient(problem, w)


def sgd(
    problem: Problem, w: Tensor, rate: Rate, batch: int, seeds: Iterable[int]
) -> Stream:
    """Mini-batches with replacement; each seed draws its own."""
    yield w
    for chosen in _batches(seeds, problem.X.shape[1], batch):
        w = w - rate * gradient(problem.only(chosen), w)
        yield w


def normalised_descent(
    problem: Classification, w: Tensor, rate: Rate, power: float = 0
) -> Stream:
    """Steps of length rate / k^power, however small the gradient has become."""
    step = 0
    while True:
        yield w
        step += 1
        logs = problem.log_slopes(predictions(problem, w))
        g = _pull_back(problem.X, -(logs - logs.amax(-1, keepdim=True)).exp())
        w = w - rate / step**power * g / g.norm(dim=-1, keepdim=True)


def heavy_ball(problem: Problem, w: Tensor, rate: Rate, momentum: float) -> Stream:
    velocity = torch.zeros_like(w)
    while True:
        yield w
        velocity = momentum * velocity - rate * gradient(problem, w)
        w = w + velocity


def nesterov(problem: Problem, w: Tensor, rate: Rate, momentum: float) -> Stream:
    before = w
    while True:
        yield w
        ahead = w + momentum * (w - before)
        before, w = w, ahead - rate * gradient(problem, ahead)


def conjugate_gradients(problem: LeastSquares, w: Tensor) -> Stream:
    """On the normal equations; it rests once the slope has shrunk to rounding error."""
    slope = -gradient(problem, w)
    direction = slope
    rest = 1e-30 * _square(slope)
    while True:
        yield w
        ahead = (problem.X @ direction[..., None])[..., 0]
        size = _square(slope)
        length = torch.where(size > rest, _ratio(size, _square(ahead)), 0)
        w = w + length * direction
        slope = slope - length * _pull_back(problem.X, ahead)
        direction = slope + _ratio(_square(slope), size) * direction


def absolute_subgradient(problem: LeastSquares, w: Tensor) -> Stream:
    """Sub-gradient descent on Σ|rᵢ| with Polyak's step, whose minimum, 0, is known."""
    while True:
        yield w
        r = residual(problem, w)
        slope = _pull_back(problem.X, r.sign())
        loss = r.abs().sum(-1, keepdim=True)
        w = w - _ratio(loss, _square(slope)) * slope


def preconditioned(problem: Problem, w: Tensor, rate: Rate, metric: Tensor) -> Stream:
    """Gradient descent whose steps are stretched, feature by feature, by `metric`."""
    while True:
        yield w
        w = w - rate * metric * gradient(problem, w)


def adagrad(
    problem: Problem,
    w: Tensor,
    rate: Rate,
    initial: Rate = 1e-20,
    *,
    shared: bool = False,
) -> Stream:
    """What it sums begins at `initial`: nearly nought, as 0/0 must not occur.

    Each feature has a sum of its own; if `shared`, all have one.
    """
    total = torch.zeros_like(w) + initial
    while True:
        yield w
        g = gradient(problem, w)
        total = total + (_square(g) if shared else g**2)
        w = w - rate * g / total.sqrt()


def adam(problem: Problem, w: Tensor, rate: Rate, **settings) -> Stream:
    """Adam; its rate is constant, halves every so many steps, or falls as k^-power."""
    return (w for w, _ in scaled_adam(problem, w, rate, **settings))


def scaled_adam(
    problem: Problem,
    w: Tensor,
    rate: Rate,
    *,
    epsilon: float = 1e-8,
    halve_every: float = float("inf"),
    power: float = 0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Iterator[tuple[Tensor, Tensor]]:
    """Its iterates, and by what the step to each was divided, feature by feature."""
    fast, slow = betas
    mean, square, step = torch.zeros_like(w), torch.zeros_like(w), 0
    scale = torch.full_like(w, float("inf"))
    while True:
        yield w, scale
        step += 1
        g = gradient(problem, w)
        mean = fast * mean + (1 - fast) * g
        square = slow * square + (1 - slow) * g**2
        scale = (square / (1 - slow**step)).sqrt() + epsilon
        decay = 0.5 ** (step / halve_every) / step**power
        w = w - decay * rate * mean / (1 - fast**step) / scale


def coordinate_descent(problem: LeastSquares, w: Tensor) -> Stream:
    """Greedy: the coordinate with the steepest slope goes to its own minimum."""
    curvature = problem.X.square().sum(1)
    while True:
        yield w
        g = gradient(problem, w)
        steepest = g.abs().argmax(-1, keepdim=True)
        step = g.gather(-1, steepest) / curvature.gather(-1, steepest)
        w = w.scatter_add(-1, steepest, -step)


def _pull_back(X: Tensor, r: Tensor) -> Tensor:
    return (r.unsqueeze(-2) @ X).squeeze(-2)


def _square(v: Tensor) -> Tensor:
    return v.square().sum(-1, keepdim=True)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """above / below, and nought where there is nothing left to divide by."""
    return torch.where(below > 0, above / below.clamp_min(1e-300), 0)


def _batches(seeds: Iterable[int], examples: int, batch: int) -> Iterator[Tensor]:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    while True:
        block = torch.stack(
            [
                torch.randint(examples, (_BLOCK, batch), generator=generator)
                for generator in generators
            ],
            dim=1,
        )
        yield from block
