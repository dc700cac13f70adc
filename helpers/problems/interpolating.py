"""Small models that can fit their data exactly, in many ways: where noise may choose.

Weights are NumPy arrays (..., seeds, parameters): chains and settings go in front. The
loss is ½(f − y)², a mean over the examples.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pull = Callable[[Array], Array]
CURVATURES = ((1.6, 1, 0.5), (0.9, -1, 0.5))  # of the two directions: 1.6 + t + t²/2


@dataclass(frozen=True)
class Interpolating:
    """What the descents of `dynamics` need of a model."""

    y: Array  # (seeds, examples)

    def linearise(self, w: Array) -> tuple[Array, Pull]:
        """The outputs f(w), (..., seeds, examples), and r ↦ Σ rᵢ∇fᵢ(w)."""
        raise NotImplementedError

    def only(self, chosen: NDArray[np.int64]) -> "Interpolating":
        """Some examples of each seed's problem; `chosen` is (seeds, batch)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Linear(Interpolating):
    """f = X w."""

    X: Array  # (seeds, examples, features)

    def linearise(self, w: Array) -> tuple[Array, Pull]:
        return np.einsum("snd,...sd->...sn", self.X, w), lambda r: np.einsum(
            "snd,...sn->...sd", self.X, r
        )


@dataclass(frozen=True)
class TwoCurvatures(Interpolating):
    """A valley x₁ = x₂ = 0 along which two curvatures change: f_i = √(2 hᵢ(t)) xᵢ.

    The weights are x₁, x₂, t. Each example is shown `copies` times in a step, every
    time with a fresh label.
    """

    copies: int = 1

    def linearise(self, w: Array) -> tuple[Array, Pull]:
        x, t = w[..., :2], w[..., 2:]
        constant, slope, bend = np.array(CURVATURES).T
        root = np.sqrt(2 * (constant + t * (slope + bend * t)))
        steepness = (slope + 2 * bend * t) / root

        def pull(r: Array) -> Array:
            r = r[..., :2] if self.copies == 1 else _sum_of_copies(r)
            along = (r * x * steepness).sum(-1, keepdims=True)
            return np.concatenate([r * root, along], axis=-1)

        return np.tile(root * x, self.copies), pull


@dataclass(frozen=True)
class Product(Interpolating):
    """One example, f = u v: the hyperbola u v = 1."""

    def linearise(self, w: Array) -> tuple[Array, Pull]:
        return w.prod(-1, keepdims=True), lambda r: r * w[..., ::-1]


@dataclass(frozen=True)
class PairedSquares(Interpolating):
    """f = Σ xⱼ(uⱼ² − vⱼ²): a linear function, quadratically parametrised."""

    X: Array  # (seeds, examples, features)
    signal: Array  # (seeds, features): what made the labels

    def linearise(self, w: Array) -> tuple[Array, Pull]:
        u, v = np.split(w, 2, axis=-1)
        f = (self.X @ (u * u - v * v)[..., None])[..., 0]

        def pull(r: Array) -> Array:
            g = 2 * (r[..., None, :] @ self.X)[..., 0, :]
            return np.concatenate([g * u, -g * v], axis=-1)

        return f, pull

    def only(self, chosen: NDArray[np.int64]) -> "PairedSquares":
        rows = np.arange(len(chosen))[:, None]
        return replace(self, X=self.X[rows, chosen], y=self.y[rows, chosen])

    def weights(self, w: Array) -> Array:
        """Of the linear function."""
        u, v = np.split(w, 2, axis=-1)
        return u * u - v * v


@dataclass(frozen=True)
class ReluRegression(Interpolating):
    """f(x) = Σ aⱼ relu(wⱼx + bⱼ), of one input; the weights are all w, all b, all a."""

    x: Array  # (examples,)

    def linearise(self, w: Array) -> tuple[Array, Pull]:
        slope, offset, out = np.split(w, 3, axis=-1)
        before = self.x[:, None] * slope[..., None, :] + offset[..., None, :]
        hidden = np.maximum(before, 0)

        def pull(r: Array) -> Array:
            r = r[..., None, :]
            active = before > 0
            of_slope = ((r * self.x) @ active)[..., 0, :] * out
            of_offset = (r @ active)[..., 0, :] * out
            return np.concatenate(
                [of_slope, of_offset, (r @ hidden)[..., 0, :]], axis=-1
            )

        return (hidden @ out[..., None])[..., 0], pull

    def function(self, w: Array, x: Array) -> Array:
        """Its values at other places."""
        return replace(self, x=np.asarray(x)).linearise(w)[0]


def directions(seeds: Iterable[int], curvatures: Array) -> Linear:
    """Labels 0, and a Hessian with the given eigenvalues in random directions."""
    count = len(curvatures)
    tables = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        left, _ = np.linalg.qr(random.normal(size=(count, count)))
        right, _ = np.linalg.qr(random.normal(size=(count, count)))
        tables.append(left * np.sqrt(count * np.asarray(curvatures)) @ right)
    return Linear(np.zeros((len(tables), count)), np.stack(tables))


def two_curvatures(copies: int = 1) -> TwoCurvatures:
    return TwoCurvatures(np.zeros((1, 2 * copies)), copies)


def product() -> Product:
    return Product(np.ones((1, 1)))


def paired_squares(
    seeds: Iterable[int], examples: int, features: int, relevant: int
) -> PairedSquares:
    """Features ±1, and labels that are the sum of the first few of them."""
    draws = [np.random.default_rng(seed) for seed in seeds]
    X = np.stack([2.0 * r.integers(2, size=(examples, features)) - 1 for r in draws])
    signal = np.zeros((len(draws), features))
    signal[:, :relevant] = 1
    return PairedSquares(X[..., :relevant].sum(-1), X, signal)


def relu_regression(seeds: Iterable[int], points: int) -> ReluRegression:
    """Points on the graph of 2|x| − 1 between −1 and 1."""
    x = np.linspace(-1, 1, points)
    return ReluRegression(np.tile(2 * np.abs(x) - 1, (len(list(seeds)), 1)), x)


def wiggly_start(seeds: Iterable[int], width: int, size: float) -> Array:
    """Kinks all over (−1.1, 1.1), with random signs and slopes about `size` in sum."""
    rows = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        slope = random.normal(size=width)
        offset = -slope * random.uniform(-1.1, 1.1, size=width)
        out = random.normal(size=width) * size / width**0.5
        rows.append(np.concatenate([slope, offset, out]))
    return np.stack(rows)


def _sum_of_copies(r: Array) -> Array:
    return r.reshape(*r.shape[:-1], -1, 2).sum(-2)
