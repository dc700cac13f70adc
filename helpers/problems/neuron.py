"""Data for neurons. A label of zero asks a ReLU neuron for w·x ≤ 0, and no more."""

from collections.abc import Iterable

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.problems.linear import LeastSquares, _normal


def one_zero(
    scales: Iterable[float],
    direction: tuple[float, ...] = (0, 1, 1),
    second: tuple[float, ...] = (4, 2, 0),
) -> LeastSquares:
    """Two positive labels fix (5, −1, ·); scale × direction has the label zero.

    `direction` may have more features than three, and a `second` example with its
    label of 18 fixes another point.
    """
    beyond = [0] * (len(direction) - 3)
    positive = [[3, -1, 0, *beyond], [*second, *beyond]]
    rows = [[*positive, [scale * z for z in direction]] for scale in scales]
    return _table(rows, [[16, 18, 0]] * len(rows))


def detour(scales: Iterable[float]) -> LeastSquares:
    """Two positive labels fix (1, 0, ·), and the steeper one leads there by a detour.

    It raises w₂ first, and (0, 3, −1), which is to give zero, then presses on w₃.
    """
    positive = [[3, 9, 0], [1, 0, 0]]
    rows = [[*positive, [0, 3 * scale, -scale]] for scale in scales]
    return _table(rows, [[3, 1, 0]] * len(rows))


def turned(problem: LeastSquares, degrees: ArrayLike, size: ArrayLike) -> LeastSquares:
    """Turned in the plane of the first and the last feature, its labels multiplied.

    By one angle and one factor, or by one of each for each problem.
    """
    angle = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64))
    turn = torch.eye(problem.X.shape[-1], dtype=torch.float64)
    turn = turn.expand(*angle.shape, *turn.shape).clone()
    turn[..., 0, 0] = turn[..., -1, -1] = angle.cos()
    turn[..., 0, -1], turn[..., -1, 0] = -angle.sin(), angle.sin()
    size = torch.as_tensor(size, dtype=torch.float64)[..., None]
    return LeastSquares(problem.X @ turn.mT, size * problem.y)


def without_zeros(problem: LeastSquares) -> LeastSquares:
    """The positive examples alone; each problem has as many."""
    kept = problem.y[0] > 0
    return LeastSquares(problem.X[:, kept], problem.y[:, kept])


def random_labels(
    seeds: Iterable[int], positive: int, zero: int, features: int
) -> LeastSquares:
    """Gaussian rows of expected length one; labels positive first, then zero."""
    table = torch.stack(
        [_normal(seed, positive + zero, features + 1) for seed in seeds]
    )
    y = table[..., -1].abs()
    y[:, positive:] = 0
    return LeastSquares(table[..., :-1] / features**0.5, y)


def orthogonal(seeds: Iterable[int], examples: int, features: int) -> LeastSquares:
    """Orthogonal rows, of lengths between ½ and 3/2, and Gaussian labels."""
    draws = torch.stack([_normal(seed, features + 2, features) for seed in seeds])
    frame = torch.linalg.qr(draws[:, :-2]).Q[:, :examples]
    lengths = 0.5 + torch.special.ndtr(draws[:, -1, :examples])
    return LeastSquares(frame * lengths[..., None], draws[:, -2, :examples])


def hidden_start(seeds: Iterable[int], hidden: int, features: int) -> Tensor:
    """Weights of one hidden layer, Gaussian of size ½; the last column leads out."""
    return torch.stack([_normal(seed, hidden, features + 1) / 2 for seed in seeds])


def _table(rows, labels) -> LeastSquares:
    return LeastSquares(*(torch.tensor(t, dtype=torch.float64) for t in (rows, labels)))
