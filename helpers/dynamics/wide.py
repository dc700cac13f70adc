"""Gradient descent on networks with one hidden layer, whatever its width.

The output is Σⱼ vⱼ g(uⱼ·x)/√width, less what it was at the start, so that every network
begins as the zero function. The loss is ½ Σᵢ (f(xᵢ) − yᵢ)². One network a seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.problems.linear import LeastSquares

Weights = tuple[Tensor, Tensor]  # into the neurons, out of them


@dataclass(frozen=True)
class Kind:
    """What is trained, and how.

    `softness` rounds the kink of the activation, E ReLU(h + softness·ξ) for a standard
    normal ξ; 0 is the ReLU. `stretch` divides the output and multiplies the rate by its
    square: the kernel stays the same, and the weights have that much farther to go.
    """

    softness: float = 0.0
    trained: str = "first"  # the first layer, the last, or all
    stretch: float = 1.0


class State(NamedTuple):
    weights: Weights
    values: Tensor  # of the neurons on the examples: (seeds, examples, width)
    slopes: Tensor
    residual: Tensor  # (seeds, examples)


def activation(inputs: Tensor, softness: float) -> tuple[Tensor, Tensor]:
    """Its values and its slopes."""
    if softness == 0:
        return inputs.clamp_min(0), (inputs > 0).to(inputs.dtype)
    slopes = inputs * (1 / (softness * sqrt(2)))
    bump = slopes.square().neg_().exp_().mul_(softness / sqrt(2 * pi))
    slopes = slopes.erf_().add_(1).mul_(0.5)
    return bump.addcmul_(inputs, slopes), slopes


def kernel(X: Tensor, out: Tensor, values: Tensor, slopes: Tensor, trained: str):
    """Inner products of the examples' gradients, written out: (seeds, n, n)."""
    gram = torch.zeros_like(X @ X.mT)
    if trained != "last":
        steered = slopes * out[:, None]
        gram += (X @ X.mT) * (steered @ steered.mT)
    if trained != "first":
        gram += values @ values.mT
    return gram / out.shape[-1]


def kernel_at(X: Tensor, weights: Weights, kind: Kind) -> Tensor:
    into, out = weights
    return kernel(X, out, *activation(X @ into.mT, kind.softness), kind.trained)


def descent(
    problem: LeastSquares, start: Weights, kind: Kind, rate: Tensor
) -> Iterator[State]:
    """The states on the way, the start first; a rate for each seed."""
    X, y = problem
    into, out = start
    size = out.shape[-1] ** -0.5
    pace = (rate * size * kind.stretch)[:, None]
    first = None
    while True:
        values, slopes = activation(X @ into.mT, kind.softness)
        outputs = (values @ out[..., None])[..., 0] * (size / kind.stretch)
        first = outputs if first is None else first
        residual = outputs - first - y
        yield State((into, out), values, slopes, residual)
        pull = (pace * residual)[..., None]
        if kind.trained != "last":
            step = (slopes.mul_(pull).mT @ X) * out[..., None]
        if kind.trained != "first":
            out = out - (values.mT @ pull)[..., 0]
        if kind.trained != "last":
            into = into - step


class Path(NamedTuple):
    """What was measured on the way: every field but the first is (times, seeds)."""

    steps: Tensor  # (times,)
    residual: Tensor  # ‖f − y‖
    least: Tensor  # eigenvalue of the kernel
    largest: Tensor
    ratio: Tensor  # ½‖∇L‖²/L, the gradient times the stretch
    change: Tensor  # of the kernel, as a share of it: Frobenius norms
    distance: Tensor  # of the weights from the start
    length: Tensor  # of the path


def measured(
    problem: LeastSquares,
    start: Weights,
    kind: Kind,
    rate: Tensor,
    *,
    until: float = 1e-7,
    longest: int = 4000,
    every: int = 10,
) -> Path:
    """Until every seed's residual is so small a share, or so many steps."""
    first = kernel_at(problem.X, start, kind)
    rows, length, before = [], 0.0, start
    for step, state in enumerate(descent(problem, start, kind, rate)):
        length = length + apart(state.weights, before)
        before = state.weights
        if step % every == 0:
            way = apart(before, start), length
            rows.append((torch.tensor(step), *_at(problem.X, first, state, kind), *way))
            left = rows[-1][1] / rows[0][1]
            if step >= longest or (left < until).all():
                return Path(*map(torch.stack, zip(*rows, strict=True)))
    raise AssertionError  # a descent has no end


def apart(here: Weights, there: Weights) -> Tensor:
    """The distance between two states of the weights, a number for each seed."""
    gaps = [
        (a - b).flatten(1).square().sum(1) for a, b in zip(here, there, strict=True)
    ]
    return sum(gaps).sqrt()


def _at(X: Tensor, first: Tensor, state: State, kind: Kind) -> tuple[Tensor, ...]:
    _, values, slopes, residual = state
    gram = kernel(X, state.weights[1], values, slopes, kind.trained)
    eigenvalues = torch.linalg.eigvalsh(gram)
    squared = residual.square().sum(1)
    steep = ((gram @ residual[..., None])[..., 0] * residual).sum(1)
    change = (gram - first).flatten(1).norm(dim=1) / first.flatten(1).norm(dim=1)
    ends = eigenvalues[:, 0], eigenvalues[:, -1]
    return squared.sqrt(), *ends, steep / squared, change
