"""Networks with one hidden layer, from a few units to thousands, on the same images."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from helpers import dials
from helpers.images.corruptions import random_labels
from helpers.images.mnist import mnist
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.oracles import infinite_width
from helpers.training.epochs import Examples
from helpers.training.loop import accuracy, outputs, train
from helpers.training.path_norms import path_norms
from helpers.training.recipe import Recipe

Row = dict[str, float]


@dataclass(frozen=True)
class Task:
    """Small grey images, and whose labels they have."""

    dataset: str
    side: int  # of an image, in pixels, once it is averaged down
    examples: int  # to learn from
    noise: float = 0.0  # share of their labels that are drawn anew
    taught: int = 0  # units of the network that labels all images, if one does
    teaching: Recipe | None = None

    def sources(self) -> tuple[Images, Images]:
        return images(self.dataset, "train"), images(self.dataset, "test")

    def train_set(self, seed: int) -> Examples:
        own = self.labelled(subset(self.sources()[0], self.examples, seed))
        draw = Generator().manual_seed(seed)
        drawn = random_labels(own.targets, 10, self.noise, draw)
        return Examples(own.inputs, drawn)

    def test_set(self) -> Examples:
        """No label is drawn anew here."""
        return self.labelled(self.sources()[1])

    def labelled(self, some: Images) -> Examples:
        """Pixels have mean 0 and deviation 1 over all training images."""
        mean, deviation = shades(self.dataset, self.side, dials.read().data)
        pixels = (averaged(some, self.side) - mean) / deviation
        if not self.taught:
            return Examples(pixels, some.labels)
        return Examples(pixels, outputs(teacher(self), pixels).argmax(1))


def images(dataset: str, part: str) -> Images:
    return mnist(part) if dataset == "mnist" else load_split(dataset, part)


def averaged(some: Images, side: int) -> Tensor:
    grey = some.pixels.float().mean(1, keepdim=True)
    return adaptive_avg_pool2d(grey, side).flatten(1)


@cache
def shades(dataset: str, side: int, folder: Path) -> tuple[float, float]:
    seen = averaged(images(dataset, "train"), side)
    return seen.mean().item(), seen.std().item()


@cache
def teacher(task: Task) -> nn.Module:
    """It learns from all images there are, those of the test as well."""
    own = replace(task, taught=0, teaching=None)
    parts = [own.labelled(some) for some in own.sources()]
    everything = Examples(*(torch.cat(both) for both in zip(*parts, strict=True)))
    net = hidden_layer(everything.inputs.shape[1], task.taught, seed=0)
    train([net], [everything], task.teaching, [0], device="cpu")
    return net


def hidden_layer(pixels: int, width: int, seed: int, out: float = 0) -> nn.Sequential:
    """All weights are uniform within ±1/√(how many there are into a unit).

    With `out`, the weights out of the units are within ± that, whatever the width.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, 10)
    if out:
        with torch.no_grad():
            layers[2].weight *= out * width**0.5
    return nn.Sequential(*layers)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Networks of one width, one for each seed, side by side."""

    seeds: tuple[int, ...]
    task: Task
    width: int
    recipe: Recipe
    out: float = 0.0  # how large weights out of the units begin, if not as 1/√width

    def sources(self) -> tuple[Images, Images]:
        return self.task.sources()

    def run(self) -> list[Row]:
        train_sets = [self.task.train_set(seed) for seed in self.seeds]
        pixels = train_sets[0].inputs.shape[1]
        nets = [hidden_layer(pixels, self.width, s, self.out) for s in self.seeds]
        starts = deepcopy(nets)
        ends = train(nets, train_sets, self.recipe, self.seeds)
        test = self.task.test_set()
        return [
            {
                "seed": seed,
                "epochs": end.epochs,
                "diverged": end.diverged,
                "train_error": 1 - end.accuracy,
                "test_error": 1 - accuracy(net, test),
                "margin": median_margin(net, own),
            }
            | path_norms(net, start)
            for seed, end, net, start, own in zip(
                self.seeds, ends, nets, starts, train_sets, strict=True
            )
        ]


def median_margin(network: nn.Module, examples: Examples) -> float:
    """By how much the output of its label exceeds the next, for the middle example."""
    found, own = outputs(network, examples.inputs), examples.targets[:, None]
    next_best = found.scatter(1, own, -inf).max(1).values
    return (found.gather(1, own)[:, 0] - next_best).median().item()


@dataclass(frozen=True, kw_only=True)
class LastLayer:
    """The units stay as they were drawn: least squares for the weights out of them.

    No width means infinitely many units, in closed form, with the last layer learned or
    both.
    """

    seeds: tuple[int, ...]
    task: Task
    width: int | None = None
    both_layers: bool = False

    def sources(self) -> tuple[Images, Images]:
        return self.task.sources()

    def run(self) -> list[Row]:
        new = self.task.test_set()
        said = [self.said(self.task.train_set(seed), new, seed) for seed in self.seeds]
        wrong = [(found.argmax(1) != new.targets.numpy()).mean() for found in said]
        return [
            {"seed": seed, "test_error": float(error)}
            for seed, error in zip(self.seeds, wrong, strict=True)
        ]

    def said(self, own: Examples, new: Examples, seed: int) -> np.ndarray:
        wanted = np.eye(10)[own.targets]
        X, Z = own.inputs.double(), new.inputs.double()
        if self.width:
            first = hidden_layer(X.shape[1], self.width, seed)[:2].double()
            features = (first(seen).detach() for seen in (X, Z))
            return infinite_width.features_fit(*features, wanted)
        both, last = infinite_width.tangent_kernel, infinite_width.last_layer_kernel
        kernel = both if self.both_layers else last
        return infinite_width.shortest_fit(kernel(X, X), kernel(Z, X), wanted)


WIDTHS = 4, 8, 16, 32, 64, 128, 256, 1024, 4096
TRIED = {4: (0.01, 0.03, 0.1), 8: (0.01, 0.03, 0.1), 16: (0.03, 0.1)}
TRIED |= dict.fromkeys((64, 256, 1024), (0.1, 0.3)) | {4096: (0.03, 0.1)}
RATE, SLOWER = 0.1, 0.03
SLOW = {
    "mnist": (4, 8),
    "cifar10": (4, 16),
    "digits": (),
}  # widths that want the slower
LESSON = Recipe(rate=0.05, epochs=10, batch=100, momentum=0.9, stop_accuracy=None)


def task(dataset: str, noise: float = 0.0, teacher: bool = False) -> Task:
    """As it is in this chapter; at `quick` the embedded digits stand for both."""
    larger = dataset == "mnist"
    side, examples = dials.at_scale(
        quick=(8 if larger else 4, 300),
        laptop=(10, 2000 if larger else 1000),
        paper=(10, 50_000 if larger else 40_000),
    )
    dataset = dials.at_scale(quick="digits", laptop=dataset)
    lesson = {"taught": 4, "teaching": LESSON} if teacher else {}
    return Task(dataset, side, examples, noise, **lesson)


def widths(least: int = 4, most: int = 4096) -> list[int]:
    all_widths = dials.at_scale(quick=(4, 32, 256), laptop=WIDTHS)
    return [width for width in all_widths if least <= width <= most]


def seeds() -> tuple[int, ...]:
    return tuple(dials.seeds(dials.at_scale(quick=3, laptop=5)))


def until_it_fits(rate: float) -> Recipe:
    epochs = dials.at_scale(quick=120, laptop=500)
    return Recipe(rate=rate, epochs=epochs, batch=100, momentum=0.9)


def usual(own: Task, width: int, **changed: Recipe) -> Trained:
    """With the rate of its width, and until it fits."""
    rate = SLOWER if width in SLOW[own.dataset] else RATE
    how = {"recipe": until_it_fits(rate)} | changed
    return Trained(seeds=seeds(), task=own, width=width, **how)


def unscaled(own: Task, width: int) -> Trained:
    """Weights out of the units begin within ±10, whatever the width.

    The gradient grows with the width and with the square of these weights, and the rate
    falls as it grows.
    """
    recipe = until_it_fits(1 / (100 * width))
    return Trained(seeds=seeds(), task=own, width=width, recipe=recipe, out=10.0)


def kinds(dataset: str) -> list[Task]:
    """True labels, some of them wrong, and those of a network with four units."""
    return [task(dataset), task(dataset, noise=0.05), task(dataset, teacher=True)]


def mnist_widths() -> list[Trained]:
    return [usual(own, width) for own in kinds("mnist") for width in widths()]


def cifar10_widths() -> list[Trained]:
    return [usual(own, width) for own in kinds("cifar10") for width in widths()]


def unscaled_start() -> list[Trained]:
    """The true labels of MNIST at every width up to 1,024, the rest at three."""
    clean, noisy, taught = kinds("mnist")
    few = dials.at_scale(quick=(32, 256), laptop=(64, 256, 1024))
    return [
        *(unscaled(clean, width) for width in widths(16, 1024)),
        *(
            unscaled(own, width)
            for own in (noisy, taught, task("cifar10"))
            for width in few
        ),
    ]


def more_noise() -> list[Trained]:
    """A fifth of the labels drawn anew; and all of them, for the norms."""
    fifth, random = task("mnist", noise=0.2), task("mnist", noise=1.0)
    return [
        *(usual(fifth, width) for width in widths(most=256)),
        usual(random, dials.at_scale(quick=256, laptop=1024)),
    ]


def decay() -> list[Trained]:
    """As many epochs for every width, with weight decay and without, fitted or not."""
    epochs = dials.at_scale(quick=20, laptop=100)
    recipe = Recipe(RATE, epochs, batch=100, momentum=0.9, stop_accuracy=None)
    chosen = dials.at_scale(quick=(4, 32, 128), laptop=(16, 64, 256, 1024))
    return [
        usual(own, width, recipe=replace(recipe, weight_decay=strength))
        for own in (task("mnist"), task("mnist", noise=0.2))
        for strength in (0.0, 0.003)
        for width in chosen
    ]


def slower() -> list[Trained]:
    """The wide ones at a third of their rate."""
    recipe = until_it_fits(SLOWER)
    return [usual(task("mnist"), w, recipe=recipe) for w in widths(256)]


def last_layer() -> list[LastLayer]:
    clean, noisy = task("mnist"), task("mnist", noise=0.05)
    more = dials.at_scale(quick=[], laptop=[512, 2048])
    limits = [clean, noisy, task("cifar10")]
    return [
        *(
            LastLayer(seeds=seeds(), task=own, both_layers=both)
            for own in limits
            for both in (False, True)
        ),
        *(LastLayer(seeds=seeds(), task=noisy, width=w) for w in widths() + more),
    ]


def rates() -> list[Trained]:
    """Which rate fits first, on seeds that are not reported."""
    tried = dials.at_scale(quick={32: (0.1,)}, laptop=TRIED)
    return [
        Trained(
            seeds=tuple(100 + seed for seed in dials.seeds(2)),
            task=task(dataset),
            width=width,
            recipe=until_it_fits(rate),
        )
        for dataset in dials.at_scale(quick=("mnist",), laptop=("mnist", "cifar10"))
        for width, several in tried.items()
        for rate in several
    ]


SWEEPS = {
    "mnist": mnist_widths,
    "cifar10": cifar10_widths,
    "last layer": last_layer,
    "decay": decay,
    "more noise": more_noise,
    "unscaled start": unscaled_start,
    "slower": slower,
    "rates": rates,
}
