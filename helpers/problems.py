"""Synthetic problems. A seed fixes a problem, whatever other seeds share its batch."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

START_SEEDS = 1_000_000  # keeps the draws of starts apart from those of problems


class LeastSquares(NamedTuple):
    """Find w with X w = y; one independent problem a seed."""

    X: Tensor  # (seeds, examples, features), float64
    y: Tensor  # (seeds, examples)


class HiddenSignal(NamedTuple):
    """Least squares whose labels come from a few relevant features, without noise."""

    problem: LeastSquares
    signal: Tensor  # (seeds, features): the weights that made the labels
    spread: Tensor  # (features,): each feature's standard deviation


def least_squares(seeds: Iterable[int], examples: int, features: int) -> LeastSquares:
    """Gaussian rows of expected length one, and Gaussian labels: nothing to learn."""
    draws = [_normal(seed, examples, features + 1) for seed in seeds]
    table = torch.stack(draws)
    return LeastSquares(table[..., :-1] / features**0.5, table[..., -1])


def hidden_signal(
    seeds: Iterable[int], examples: int, features: int, relevant: int, scale: float
) -> HiddenSignal:
    """Labels are a unit-variance sum of `relevant` features, then told in other units.

    Multiplying the relevant features by `scale` and dividing their weights by it
    changes neither the labels nor the set of functions that fit them: only the norm.
    """
    spread = torch.ones(features, dtype=torch.float64)
    spread[:relevant] = scale
    draws = torch.stack([_normal(seed, examples + 1, features) for seed in seeds])
    direction = draws[:, 0, :relevant]
    signal = torch.zeros_like(draws[:, 0])
    signal[:, :relevant] = direction / direction.norm(dim=1, keepdim=True) / scale
    X = draws[:, 1:] * spread
    return HiddenSignal(
        LeastSquares(X, (X @ signal[..., None])[..., 0]), signal, spread
    )


def random_start(seeds: Iterable[int], features: int) -> Tensor:
    """A Gaussian start for each seed's problem, drawn apart from the problem."""
    return torch.stack([_normal(seed + START_SEEDS, features) for seed in seeds])


def log_spaced_metric(features: int, decades: float = 3) -> Tensor:
    """Positive weights, evenly spread over some decades, in no particular order."""
    order = torch.randperm(features, generator=torch.Generator().manual_seed(0))
    ends = -decades / 2, decades / 2
    return torch.logspace(*ends, features, dtype=torch.float64)[order]


def in_metric(problem: LeastSquares, metric: Tensor) -> LeastSquares:
    """The same problem in weights whose plain norm is Σ wⱼ²/metricⱼ."""
    return LeastSquares(problem.X * metric.sqrt(), problem.y)


def smoothness(problem: LeastSquares) -> Tensor:
    """The largest curvature of ½‖Xw − y‖², shaped (seeds, 1) to divide a rate."""
    return torch.linalg.matrix_norm(problem.X, 2)[:, None] ** 2


def _normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
