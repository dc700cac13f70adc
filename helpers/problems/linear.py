"""Linear problems. A seed fixes a problem, whatever other seeds share its batch."""

from collections.abc import Iterable, Sequence
from math import inf, log, pi
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.dials import BookError

START_SEEDS = 1_000_000  # keeps the draws of starts apart from those of problems


class LeastSquares(NamedTuple):
    """Find w with X w = y; one independent problem a seed."""

    X: Tensor  # (seeds, examples, features), float64
    y: Tensor  # (seeds, examples)

    def slopes(self, predictions: Tensor) -> Tensor:
        """The derivative of ½(prediction − y)²."""
        return predictions - self.y

    def only(self, chosen: Tensor) -> "LeastSquares":
        """Some examples of each seed's problem; `chosen` is (seeds, batch)."""
        rows = torch.arange(len(self.y))[:, None]
        return LeastSquares(self.X[rows, chosen], self.y[rows, chosen])


class Classification(NamedTuple):
    """Find w with X w > 0; every example has been multiplied by its label, ±1."""

    X: Tensor  # (seeds, examples, features), float64
    tail: float = inf  # the logistic loss; or a loss that falls like margin^-tail

    def slopes(self, margins: Tensor) -> Tensor:
        """The derivative of log(1 + e⁻ᵐ), or of (1 + m)^-tail, straight below m = 0."""
        if self.tail == inf:
            return -torch.sigmoid(-margins)
        return -self.log_slopes(margins).exp()

    def log_slopes(self, margins: Tensor) -> Tensor:
        """Their logarithms, without the sign: they do not underflow."""
        if self.tail == inf:
            return torch.nn.functional.logsigmoid(-margins)
        return log(self.tail) - (self.tail + 1) * margins.clamp_min(0).log1p()

    def only(self, chosen: Tensor) -> "Classification":
        rows = torch.arange(len(self.X))[:, None]
        return self._replace(X=self.X[rows, chosen])


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


def sparse_signal(
    seeds: Iterable[int], examples: int, features: int, relevant: int, *, signs=True
) -> HiddenSignal:
    """Labels are a sum of `relevant` features, at random places, with weights ±1.

    The features are random signs, or standard normal.
    """
    if not relevant <= examples <= features:
        raise BookError(
            f"{relevant} relevant of {features} features and {examples} examples: take "
            "at least as many examples as are relevant, and no more than features"
        )
    draws = torch.stack([_normal(seed, examples + 1, features) for seed in seeds])
    X = draws[:, 1:].sign() if signs else draws[:, 1:]
    places = draws[:, 0].abs().argsort(-1)[:, :relevant]
    signal = torch.zeros_like(draws[:, 0])
    signal.scatter_(-1, places, draws[:, 0].sign().gather(-1, places))
    labels = (X @ signal[..., None])[..., 0]
    return HiddenSignal(LeastSquares(X, labels), signal, torch.ones_like(signal[0]))


def hidden_mixture(seeds: Iterable[int], examples: int, features: int) -> LeastSquares:
    """Standard normal features, and labels from weights on the simplex."""
    draws = torch.stack([_normal(seed, examples + 1, features) for seed in seeds])
    w = draws[:, 0].softmax(-1)
    return LeastSquares(draws[:, 1:], (draws[:, 1:] @ w[..., None])[..., 0])


class LogisticModel(NamedTuple):
    """Labels are drawn: +1 with probability 1/(1 + e^−x·signal)."""

    problem: Classification
    signal: Tensor  # (seeds, features)
    spread: Tensor  # (features,): each feature's standard deviation


def logistic_model(
    seeds: Iterable[int], examples: int, features: int, strength: float
) -> LogisticModel:
    """Ten features make the labels; the variance of feature j is 1/j.

    `strength` is the standard deviation of x·signal. However many examples a seed has,
    the signal is one.
    """
    spread = torch.arange(1, features + 1, dtype=torch.float64) ** -0.5
    seeds = list(seeds)
    signals = torch.zeros(len(seeds), features, dtype=torch.float64)
    margins = []
    for seed, signal in zip(seeds, signals, strict=True):
        signal[:10] = _normal(seed + START_SEEDS, 10)
        signal *= strength / (signal * spread).norm()
        draw = _normal(seed, examples, features + 1)
        x = draw[:, :-1] * spread
        chance = torch.special.ndtr(draw[:, -1])
        labels = 1 - 2 * (chance > torch.sigmoid(x @ signal)).double()
        margins.append(labels[:, None] * x)
    return LogisticModel(Classification(torch.stack(margins)), signals, spread)


def two_clouds(
    seeds: Iterable[int], examples: int, features: int, distance: float
) -> Classification:
    """A unit Gaussian cloud and its mirror image; `distance` from origin to centre."""
    draws = torch.stack([_normal(seed, examples + 1, features) for seed in seeds])
    centre = draws[:, :1] / draws[:, :1].norm(dim=-1, keepdim=True)
    return Classification(draws[:, 1:] + distance * centre)


def by_hand(*examples: Sequence[float]) -> Classification:
    """One problem, written out: examples times labels."""
    return Classification(torch.tensor([examples], dtype=torch.float64))


def pairs(
    shapes: Iterable[Sequence[float]], third: Sequence[float] = ()
) -> Classification:
    """Two examples each, in three dimensions, whose separator is known by construction.

    A shape is a margin, how far the examples lie to either side of the separator's
    direction, and by how many degrees that is turned. The duals are the far sides over
    both sides times margin². `third` adds an example to each: along the direction,
    across it and out of the plane, in units of the margin.
    """
    found = []
    for margin, left, right, degrees in shapes:
        flat = [(margin, left, 0), (margin, -right, 0)]
        extra = [tuple(margin * side for side in third)] if third else []
        examples = torch.tensor(flat + extra, dtype=torch.float64)
        turned = rotated(Classification(examples[:, :2]), degrees).X
        found.append(torch.cat([turned, examples[:, 2:]], dim=1))
    return Classification(torch.stack(found))


def figure_one(seeds: Iterable[int], extras: int, beyond: float) -> Classification:
    """The first figure of Soudry et al.: four support vectors and random extras.

    The extras have w·x > `beyond` for w = (½, ½), the separator of largest margin.
    """
    support = [[0.5, 1.5], [1.5, 0.5]] * 2  # the third and fourth are -x, labelled -1
    support = torch.tensor(support, dtype=torch.float64)
    along, across = torch.tensor([[[1.0, 1]], [[1, -1]]], dtype=torch.float64)
    clouds = []
    for seed in seeds:
        draw = _normal(seed, extras, 2)
        cloud = (beyond + draw[:, :1].abs()) * along + draw[:, 1:] * across
        clouds.append(torch.cat([support, cloud]))
    return Classification(torch.stack(clouds))


def rotated(problem: Classification, degrees: float) -> Classification:
    """The same problem in the plane, turned."""
    angle = torch.tensor(degrees * pi / 180, dtype=torch.float64)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])
    return problem._replace(X=problem.X @ turn)


def side_by_side(*tasks: Classification) -> Classification:
    """One batch of problems of different sizes: an example at 0 pulls nowhere."""
    examples = max(task.X.shape[1] for task in tasks)
    features = max(task.X.shape[2] for task in tasks)

    def padded(X: Tensor) -> Tensor:
        room = (0, features - X.shape[2], 0, examples - X.shape[1])
        return torch.nn.functional.pad(X, room)

    return tasks[0]._replace(X=torch.cat([padded(task.X) for task in tasks]))


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


def smoothness(problem: LeastSquares | Classification) -> Tensor:
    """The largest curvature of ½‖Xw − y‖², shaped (seeds, 1) to divide a rate."""
    return torch.linalg.matrix_norm(problem.X, 2)[:, None] ** 2


def _normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def random_minima(seed: int, count: int) -> list[Tensor]:
    """Gradients at minima, (examples, parameters), of all shapes and kinds.

    Up to 40 examples in up to 8 directions, more examples than directions or fewer;
    spectra from flat to steep, lengths from equal to heavy-tailed.
    """
    generator = torch.Generator().manual_seed(seed)
    how = {"generator": generator, "dtype": torch.float64}
    minima = []
    for _ in range(count):
        size = torch.rand(4, **how)
        examples = int(3 + 38 * size[0])
        features = int(2 + 7 * size[1])
        steepness, tails = 2 * size[2], 1.5 * size[3]
        spectrum = torch.arange(1, features + 1) ** -steepness
        lengths = (tails * torch.randn(examples, 1, **how)).exp()
        minima.append(lengths * torch.randn(examples, features, **how) * spectrum)
    return minima
