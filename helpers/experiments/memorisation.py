"""SGD on the architecture of a memoriser, and what a memoriser says of new images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from helpers import dials
from helpers.dynamics import relu_network as sgd
from helpers.images.mnist import mnist
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.oracles import memoriser
from helpers.problems import points
from helpers.problems.points import Points


@dataclass(frozen=True)
class Fit:
    """Plain SGD at several rates; how much of the training set the best one knows."""

    seeds: tuple[int, ...]
    inputs: str  # evenly, gaussian, or a data set of images
    directions: int  # that the inputs have
    labels: str  # random, halves, or true
    examples: int
    hidden: tuple[int, ...]
    parametrisation: str
    loss: str
    rates: tuple[float, ...]
    batch: int
    epochs: int
    features: int = 20
    scale: float = 1.0  # of the inputs
    looks: int = 20

    def sources(self) -> list[Images]:
        known = self.inputs in ("evenly", "gaussian")
        return [] if known else [load_split(self.inputs, "train")]

    def run(self) -> list[dict[str, float]]:
        known = np.zeros((len(self.seeds), len(self.rates)))
        rows, at = [], self.looked_at()
        for epoch, shares in self.epochs_of(at):
            known = np.maximum(known, shares)
            rows += [
                {
                    "seed": seed,
                    "epoch": epoch,
                    "known": float(own.max()),
                    "rate": self.rates[int(own.argmax())],
                }
                for seed, own in zip(self.seeds, known, strict=True)
            ]
        return rows

    def looked_at(self) -> list[int]:
        """Evenly in the logarithm of the epoch."""
        at = np.geomspace(1, self.epochs, self.looks).round().astype(int)
        return sorted(set(at.tolist()))

    def epochs_of(self, at: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The share of the examples that each run tells, (seeds, rates).

        Once a seed is known whole at some rate its runs are taken out.
        """
        rates = len(self.rates)
        data = Points(*(part.repeat_interleave(rates, 0) for part in self.data()))
        networks, steps = self.begin(data.X.shape[2])
        orders = [sgd.batches(seed, self.examples, self.batch) for seed in self.seeds]
        left, shares = np.arange(len(self.seeds)), np.zeros((len(self.seeds), rates))
        for epoch in range(1, self.epochs + 1):
            if len(left):
                a_pass = self.examples // self.batch
                sgd.descend(networks, *data, steps, orders, a_pass, self.loss)
            if epoch not in at:
                continue
            if len(left):
                right = sgd.outputs(networks, data.X) * data.y > 0
                now = right.double().mean(1).reshape(-1, rates).numpy()
                shares[left] = now
                kept = np.flatnonzero(now.max(1) < 1)
                runs = torch.as_tensor(kept[:, None] * rates + np.arange(rates)).ravel()
                networks, steps = only(networks, runs), only(steps, runs)
                data = Points(data.X[runs], data.y[runs])
                orders, left = [orders[k] for k in kept], left[kept]
            yield epoch, shares.copy()

    def begin(self, features: int) -> tuple[sgd.Network, list[tuple[Tensor, Tensor]]]:
        """The networks of all seeds, each at all rates, and their steps."""
        widths = sgd.widths_of(features, self.hidden)
        drawn = [sgd.start(s, widths, self.parametrisation) for s in self.seeds]
        networks = sgd.stacked([n for n in drawn for _ in self.rates])
        rates = torch.tensor(self.rates * len(self.seeds), dtype=torch.float64)
        factors = sgd.rate_factors(widths, self.parametrisation)
        rates = rates[:, None, None]
        return networks, [(rates * w, rates * b) for w, b in factors]

    def data(self) -> Points:
        if self.inputs == "evenly":
            found = points.evenly(self.seeds, self.examples, self.features, self.labels)
        elif self.inputs == "gaussian":
            found = points.gaussian(
                self.seeds, self.examples, self.features, self.directions, self.labels
            )
        else:
            found = self.images()
        return Points(found.X * self.scale, found.y)

    def images(self) -> Points:
        """Odd digits against even ones, or with labels that a coin gives them."""
        (train,) = self.sources()
        own = [subset(train, self.examples, seed) for seed in self.seeds]
        X = torch.stack([pixels(some, train) for some in own])
        y = torch.stack([parity(some) for some in own])
        if self.labels == "random":
            draws = [torch.Generator().manual_seed(seed) for seed in self.seeds]
            coins = [torch.randint(2, y.shape[1:], generator=draw) for draw in draws]
            y = 2.0 * torch.stack(coins).double() - 1
        return Points(X, y)


def only(pairs: list[tuple[Tensor, Tensor]], runs: Tensor) -> list:
    return [(W[runs], b[runs]) for W, b in pairs]


def pixels(images: Images, like: Images) -> Tensor:
    """Rows of features, standardised as a whole over the images `like`."""
    return images.standardised(like=like).flatten(1).double()


def parity(images: Images) -> Tensor:
    """1 for an even digit, −1 for an odd one."""
    return 1.0 - 2 * (images.labels % 2).double()


@dataclass(frozen=True)
class Digits:
    """The memoriser of some images, and SGD on its architecture: both on new images."""

    seeds: tuple[int, ...]
    dataset: str
    examples: int
    rate: float
    batch: int
    epochs: int

    def sources(self) -> list[Images]:
        read = mnist if self.dataset == "mnist" else self.embedded
        return [read(part) for part in ("train", "test")]

    def embedded(self, part: str) -> Images:
        return load_split(self.dataset, part)

    def run(self) -> list[dict[str, float]]:
        train, test = self.sources()
        own = [subset(train, self.examples, seed) for seed in self.seeds]
        X = torch.stack([pixels(some, train) for some in own])
        y = torch.stack([parity(some) for some in own])
        new, told = pixels(test, train), parity(test)
        networks, passes = self.trained(X, y)
        opposite, _ = self.trained(X, -y)
        fits = sgd.outputs(networks, X) * y > 0
        says, other = (
            sgd.outputs(some, new.expand(len(X), *new.shape))
            for some in (networks, opposite)
        )
        shares = {
            "sgd_train": fits,
            "sgd_test": says * told > 0,
            "sgd_with_opposite": says * other > 0,
        }
        shares = {name: of.double().mean(1).tolist() for name, of in shares.items()}
        return [
            {"seed": seed, "passes": passes}
            | {name: of[k] for name, of in shares.items()}
            | by_heart(X[k], y[k], new, told, seed)
            for k, seed in enumerate(self.seeds)
        ]

    def trained(self, X: Tensor, y: Tensor) -> tuple[sgd.Network, int]:
        """Until the networks of all seeds know their images."""
        widths = sgd.widths_of(X.shape[2], architecture(self.examples))
        networks = sgd.stacked([sgd.start(s, widths, "he") for s in self.seeds])
        rate = torch.tensor(self.rate, dtype=torch.float64)
        rates = [(rate, rate)] * len(networks)
        orders = [sgd.batches(seed, self.examples, self.batch) for seed in self.seeds]
        a_pass, passes = self.examples // self.batch, 0
        while passes < self.epochs and not fitted(networks, X, y):
            sgd.descend(networks, X, y, rates, orders, a_pass, "logistic")
            passes += 1
        return networks, passes


def fitted(networks: sgd.Network, X: Tensor, y: Tensor) -> bool:
    return bool((sgd.outputs(networks, X) * y > 0).all())


def by_heart(
    X: Tensor, y: Tensor, new: Tensor, told: Tensor, seed: int
) -> dict[str, float]:
    """The memoriser along a random line, and along the best one."""
    X, y, new, told = (values.numpy() for values in (X, y, new, told))
    groups, line = round(len(X) ** 0.5), random_line(X.shape[1], seed)
    # A ridge, as two images that each have a pixel of their own would share a place.
    ridge = 0.01 * len(X) * np.eye(X.shape[1])
    best = np.linalg.solve(X.T @ X + ridge, X.T @ y)
    own = memoriser.memorise(X, y, groups, line)
    opposite = memoriser.memorise(X, -y, groups, line)
    along = memoriser.memorise(X, y, groups, best / np.linalg.norm(best))
    says = memoriser.relu_outputs(own.layers(), new)
    nearest = np.abs((new @ best)[:, None] - X @ best).argmin(1)
    error = memoriser.relu_outputs(own.layers(), X) - y
    return {
        "error": float(np.abs(error).max()),
        "test": float((says * told > 0).mean()),
        "with_opposite": float((says * opposite.outputs(new) > 0).mean()),
        "along_best": float((along.outputs(new) * told > 0).mean()),
        "nearest": float((y[nearest] == told).mean()),
    }


def random_line(features: int, seed: int) -> np.ndarray:
    direction = np.random.default_rng(seed).normal(size=features)
    return direction / np.linalg.norm(direction)


def memorisers(X: Tensor, y: Tensor, groups: int, seeds: Sequence[int]) -> sgd.Network:
    """Those of each seed's data, along a random line, their layers balanced."""
    found = []
    for seed, own, labels in zip(seeds, X, y, strict=True):
        line = random_line(X.shape[2], seed)
        layers = memoriser.memorise(own, labels, groups, line).layers(balanced=True)
        found.append(sgd.of_arrays(layers))
    return sgd.stacked(found)


class Path(NamedTuple):
    losses: Tensor  # (looks, seeds, rates)
    way: Tensor  # gone at the end, over the length of the weights: (seeds, rates)
    ends: sgd.Network  # a run for each seed and rate


def descent(
    networks: sgd.Network,
    data: Points,
    rates: ArrayLike,
    passes: Sequence[int],
    seeds: Sequence[int],
    batch: int = 10,
) -> Path:
    """SGD on the square loss from one network a seed, at several rates: (seeds, rates).

    It looks at the loss after so many `passes`.
    """
    rates = torch.as_tensor(rates, dtype=torch.float64)
    runs = torch.arange(len(seeds)).repeat_interleave(rates.shape[1])
    starts, (X, y) = only(networks, runs), (part[runs] for part in data)
    ends, flat = sgd.copies(starts, 1), rates.reshape(-1, 1, 1)
    orders = [sgd.batches(seed, X.shape[1], batch) for seed in seeds]
    steps, losses = np.diff([0, *passes]) * (X.shape[1] // batch), []
    for some in steps:
        sgd.descend(ends, X, y, [(flat, flat)] * len(ends), orders, some, "square")
        losses.append((sgd.outputs(ends, X) - y).square().mean(1) / 2)
    way = sgd.distance(ends, starts) / sgd.length(starts)
    found = torch.stack(losses).nan_to_num(torch.inf)
    return Path(found.unflatten(1, rates.shape), way.unflatten(0, rates.shape), ends)


def architecture(examples: int, factor: float = 1) -> tuple[int, int]:
    """Two hidden layers of 2 √N neurons, as the memoriser has; times a factor."""
    width = round(2 * examples**0.5 * factor)
    return width, width


def base(inputs: str, directions: int = 0, labels: str = "random", **changes) -> Fit:
    """Best of six rates, on the memoriser's architecture unless `changes` say more."""
    seeds, epochs = dials.at_scale(quick=(2, 60), laptop=(10, 3000))
    settings = {
        "examples": 100,
        "hidden": architecture(100),
        "parametrisation": "he",
        "loss": "logistic",
        "rates": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        "batch": 20,
        "epochs": epochs,
    }
    settings |= changes
    return Fit(tuple(dials.seeds(seeds)), inputs, directions, labels, **settings)


def kinds_of_inputs() -> list[Fit]:
    """The same architecture and budget, from a line to images."""
    found = [base("evenly", 1)]
    found += [base("gaussian", k) for k in (1, 2, 3, 5, 10, 20)]
    found += [base("digits"), base("digits", labels="true")]
    return [*found, base("gaussian", 20, "halves"), base("evenly", 1, "halves")]


def widths() -> list[Fit]:
    """Which width is enough, in units of the memoriser's."""
    narrow = {"gaussian": (0.1, 0.2, 0.25, 0.35, 0.5), "digits": (0.25, 0.5)}
    found = [
        base(inputs, 20 * (inputs == "gaussian"), hidden=architecture(100, factor))
        for inputs, factors in narrow.items()
        for factor in factors
    ]
    wide = [("evenly", 1, 2.0), ("evenly", 1, 4.0), ("gaussian", 2, 2.0)]
    wide += [("gaussian", 20, 2.0), ("gaussian", 20, 4.0)]
    return found + [base(i, k, hidden=architecture(100, f)) for i, k, f in wide]


def variants() -> list[Fit]:
    """Other depths, parametrisations, losses and sizes of the inputs."""
    both = ("evenly", 1), ("gaussian", 20)
    by_fan = {"parametrisation": "ntk", "rates": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)}
    changes = [{"hidden": (20,) * depth} for depth in (1, 3, 5)]
    changes += [{"parametrisation": "uniform"}, by_fan, {"parametrisation": "mup"}]
    changes += [{"loss": "square"}]
    changes += [{"scale": 5.0, "rates": (3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1)}]
    return [base(*inputs, **change) for change in changes for inputs in both]


def more_examples() -> list[Fit]:
    """Four hundred examples instead of one."""
    examples = dials.at_scale(quick=144, laptop=400)
    larger = {"examples": examples, "hidden": architecture(examples), "batch": 40}
    return [base(*inputs, **larger) for inputs in (("evenly", 1), ("gaussian", 20))]


def longer() -> list[Fit]:
    """The line, ten times as long."""
    once = base("evenly", 1)
    return [replace(once, epochs=10 * once.epochs)]


def digits() -> list[Digits]:
    seeds, dataset, examples, batch = dials.at_scale(
        quick=(2, "digits", 400, 20), laptop=(10, "mnist", 2500, 50)
    )
    return [Digits(tuple(dials.seeds(seeds)), dataset, examples, 0.1, batch, 200)]


SWEEPS = {
    "inputs": kinds_of_inputs,
    "widths": widths,
    "variants": variants,
    "more examples": more_examples,
    "longer": longer,
    "digits": digits,
}
