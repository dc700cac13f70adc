"""Separable problems whose weights are a matrix W.

Z has shape (seeds, examples, rivals, rows, columns): the margin of an example over a
rival class is the sum of Z ∘ W. With two classes there is one rival.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from helpers.problems.linear import _normal


def class_clouds(
    seeds: Iterable[int], examples: int, classes: int, features: int, distance: float
) -> Tensor:
    """As many examples of each class, around centres at a distance from the origin.

    W holds a row for each class.
    """
    chosen = torch.arange(examples) % classes
    rows = torch.eye(classes, dtype=torch.float64)
    others = torch.stack([rows[rows[:, own] == 0] for own in range(classes)])
    over = (rows[:, None] - others)[chosen]
    problems = []
    for seed in seeds:
        draw = _normal(seed, classes + examples, features)
        centres = draw[:classes] / draw[:classes].norm(dim=1, keepdim=True)
        points = draw[classes:] + distance * centres[chosen]
        problems.append(over[..., None] * points[:, None, None])
    return torch.stack(problems)


def rank_one_teacher(
    seeds: Iterable[int], examples: int, rows: int, columns: int
) -> Tensor:
    """Gaussian matrices, each times its label: the sign of a hidden uᵀ A v."""
    problems = []
    for seed in seeds:
        draw = _normal(seed, examples * rows * columns + rows + columns)
        A = draw[: -rows - columns].reshape(examples, rows, columns)
        u, v = draw[-rows - columns : -columns], draw[-columns:]
        labels = torch.einsum("nkd,k,d->n", A, u, v).sign()
        problems.append(labels[:, None, None] * A)
    return torch.stack(problems)[:, :, None]


def factor_starts(
    seeds: Iterable[int], rows: int, columns: int, scale: float
) -> tuple[Tensor, Tensor]:
    """Gaussian U and V of full width for W = U Vᵀ, drawn apart from the problems."""
    width = min(rows, columns)
    draws = [_normal(seed + 2_000_000, rows + columns, width) for seed in seeds]
    both = scale * torch.stack(draws)
    return both[:, :rows], both[:, rows:]
