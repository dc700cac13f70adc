"""Adam on networks whose units share one direction, Σ w_j max(a·x − b_j, 0)."""

from collections.abc import Iterable

import torch
from torch import Tensor


def descend(
    X: Tensor, y: Tensor, units: int, rate: float, steps: int, seeds: Iterable[int]
) -> Tensor:
    """The largest error at the end, a problem (X, y) a seed; half the mean square is
    descended, from a random direction, kinks spread like the examples, small weights.
    """
    weights = _start(X.shape[2], units, seeds)
    optimiser = torch.optim.Adam(weights, lr=rate)
    for _ in range(steps):
        _, gradients = _look(X, y, *weights)
        for part, gradient in zip(weights, gradients, strict=True):
            part.grad = gradient
        optimiser.step()
    return _look(X, y, *weights)[0].abs().amax(1)


def _start(features: int, units: int, seeds: Iterable[int]) -> list[Tensor]:
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(size: int, deviation: float) -> Tensor:
        return deviation * torch.stack([torch.randn(size, generator=d) for d in draws])

    sizes = (features, features**-0.5), (units, 1.0), (units, units**-0.5)
    return [normal(*size) for size in sizes]


def _look(X: Tensor, y: Tensor, a: Tensor, b: Tensor, w: Tensor):
    """Errors, and gradients in direction, kinks and weights."""
    places = (X @ a[:, :, None]).squeeze(2)
    hidden = (places[:, :, None] - b[:, None]).clamp(min=0)
    error = (hidden @ w[:, :, None]).squeeze(2) - y
    pull = error[:, None] / y.shape[1]
    active = (hidden > 0).to(hidden.dtype)
    in_kinks = -w * (pull @ active).squeeze(1)
    in_places = pull.squeeze(1) * (active @ w[:, :, None]).squeeze(2)
    in_direction = (in_places[:, None] @ X).squeeze(1)
    return error, (in_direction, in_kinks, (pull @ hidden).squeeze(1))
