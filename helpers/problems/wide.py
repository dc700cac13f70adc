"""Data for wide networks: unit vectors, and labels of ±1."""

from collections.abc import Iterable

import torch
from torch import Tensor

from helpers.problems.linear import START_SEEDS, LeastSquares, _normal


def on_sphere(seeds: Iterable[int], examples: int, features: int) -> LeastSquares:
    """Uniform on the unit sphere, with random labels: nothing to learn."""
    draws = torch.stack([_normal(seed, examples, features + 1) for seed in seeds])
    return LeastSquares(_unit(draws[..., :-1]), draws[..., -1].sign())


def of_rows(
    seeds: Iterable[int], rows: Tensor, labels: Tensor, examples: int
) -> LeastSquares:
    """Some rows of a table for each seed, less the mean of all, at length one."""
    order = torch.stack([_normal(seed, len(rows)).argsort() for seed in seeds])
    chosen, rows = order[:, :examples], rows.double()
    return LeastSquares(_unit(rows[chosen] - rows.mean(0)), labels.double()[chosen])


def hidden_weights(
    seeds: Iterable[int], width: int, features: int, *, signs: bool = True
) -> tuple[Tensor, Tensor]:
    """Standard normal weights into each neuron; out of it ±1, or 1 without `signs`."""
    table = [_normal(seed + START_SEEDS, width, features + 1) for seed in seeds]
    draws = torch.stack(table)
    out = draws[..., -1].sign()
    return draws[..., :-1].contiguous(), out if signs else torch.ones_like(out)


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)
