"""Where SGD stops on the square loss, how sharp it is there, and how it leaves."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers import dials, networks, records
from helpers.curvature.gram import Gram, gram
from helpers.curvature.noise import alignment, batch_sharpness, stability_threshold
from helpers.dynamics.stability import errors_along
from helpers.images.pair import as_signs, two_classes
from helpers.images.table import Images
from helpers.oracles import stability as oracle
from helpers.training.epochs import Examples, epoch
from helpers.training.loop import accuracy, train
from helpers.training.recipe import Recipe
from helpers.training.step import best_device
from helpers.training.weights import load_or_train

Row = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """Networks, one a seed, that learn to tell two classes of images, as ±1."""

    seeds: tuple[int, ...]
    dataset: str
    network: str
    width: int
    examples: int
    side: int  # of the images, in pixels
    recipe: Recipe
    norm: str = "none"  # with one, sharpness would hang on the scale of the weights

    def sources(self) -> list[Images]:
        return [two_classes(self.dataset, split) for split in ("train", "test")]

    def untrained(self) -> tuple[list[nn.Module], list[Examples]]:
        """New networks, and the examples of each."""
        train_sets = [self.examples_of(seed) for seed in self.seeds]
        setting = {"width": self.width, "norm": self.norm, "outputs": 1}
        setting["inputs"] = tuple(train_sets[0].inputs.shape[1:])
        nets = [networks.build(self.network, seed=s, **setting) for s in self.seeds]
        return nets, train_sets

    def trained(self) -> tuple[list[nn.Module], list[Examples]]:
        """The same after training, which is done once."""
        nets, train_sets = self.untrained()
        load_or_train(
            self, nets, lambda: train(nets, train_sets, self.recipe, self.seeds)
        )
        return nets, train_sets

    def examples_of(self, seed: int) -> Examples:
        pair, draw = self.sources()[0], torch.Generator().manual_seed(seed)
        order = torch.randperm(len(pair.labels), generator=draw)
        drawn = pair.only(order[: self.examples])
        return Examples(*as_signs(drawn, self.dataset, self.side))

    def watched(
        self, look: Callable[[nn.Module, Examples], Row], steps: list[int]
    ) -> list[Row]:
        """What is seen of each network, with its examples, at those steps."""
        nets, train_sets = self.untrained()
        its_own = dict(zip(map(id, nets), train_sets, strict=True))
        outcomes = train(
            nets,
            train_sets,
            self.recipe,
            self.seeds,
            probes={"probe": lambda net: look(net, its_own[id(net)])},
            probe_at=steps,
            device="cpu",
        )
        return [
            {"seed": seed, "step": at["step"]} | at["probe"]
            for seed, outcome in zip(self.seeds, outcomes, strict=True)
            for at in outcome.history
        ]

    def last_step(self) -> int:
        return self.recipe.epochs * (self.examples // self.recipe.batch)


@dataclass(frozen=True)
class Fit(Training):
    """Until every example is fitted: the minimum, and the exact limit there."""

    tolerance: float = 1e-5  # of the exact limit

    def run(self) -> list[Row]:
        nets, train_sets = self.untrained()
        outcomes = train(
            nets,
            train_sets,
            self.recipe,
            self.seeds,
            checkpoint=records.name_of(self, with_code=True),
        )
        new_images = as_signs(self.sources()[1], self.dataset, self.side)
        rows = []
        for seed, net, train_set, outcome in zip(
            self.seeds, nets, train_sets, outcomes, strict=True
        ):
            row = {"seed": seed, "fits": outcome.fits, "diverged": outcome.diverged}
            row |= {"steps": outcome.steps, "loss": outcome.loss}
            row |= {"test_accuracy": accuracy(net, Examples(*new_images))}
            if outcome.fits:
                exact = exact_gram(net, train_set)
                row |= flatness(exact)
                row |= {"limit": exact_limit(exact, self.recipe, self.tolerance)}
            rows.append(row)
        return rows


@dataclass(frozen=True)
class Along(Training):
    """The flatness on the way, and on after the fit."""

    looks: int = 20  # evenly spaced in the logarithm of the step

    def run(self) -> list[Row]:
        steps = np.geomspace(1, self.last_step(), self.looks).astype(int).tolist()
        return self.watched(lambda *both: flatness(exact_gram(*both)), steps)


@dataclass(frozen=True)
class Edge(Training):
    """The sharpness of the loss of a batch, and that of all of it, on the way."""

    look_every: int = 1  # steps
    batches: int = 64  # drawn for a look

    def run(self) -> list[Row]:
        draw = torch.Generator().manual_seed(self.seeds[0])

        def look(net: nn.Module, train_set: Examples) -> Row:
            problem = net[:-1], train_set.inputs, train_set.targets[:, None]
            exact, batch = gram(*problem), self.recipe.batch
            sharpness = batch_sharpness(
                *problem, batch=batch, batches=self.batches, generator=draw
            )
            top = exact.eigenvalues()[0].item()
            row = {"loss": exact.loss, "lambda_max": top}
            return row | {"batch_sharpness": sharpness.value}

        steps = range(self.look_every, self.last_step() + 1, self.look_every)
        return self.watched(look, list(steps))


@dataclass(frozen=True)
class Leave:
    """SGD from the minima of another training, with the loss at every step."""

    start: Training
    recipe: Recipe
    copies: int  # from each minimum, with batches of their own
    steps_of_mean: int = 60
    tolerance: float = 1e-5  # of the exact limit

    def sources(self) -> list[Images]:
        return self.start.sources()

    def run(self) -> list[Row]:
        nets, train_sets = self.start.trained()
        losses = self.losses(nets, train_sets)
        rows = []
        for minimum, seed in enumerate(self.start.seeds):
            exact = exact_gram(nets[minimum], train_sets[minimum])
            row = {"seed": seed, "median": losses[:, minimum].median(1).values}
            row |= {"linear_median": self.linear_losses(exact, seed).median(0).values}
            row |= {"linear_mean": self.linear_mean(exact)}
            row |= {"limit": exact_limit(exact, self.recipe, self.tolerance)}
            rows.append(row)
        return rows

    def losses(self, nets: list[nn.Module], train_sets: list[Examples]) -> Tensor:
        """At each step, of each minimum's copies: (steps, minima, copies)."""
        copies = [deepcopy(net) for net in nets for _ in range(self.copies)]
        examples = [own for own in train_sets for _ in range(self.copies)]
        inputs, targets = map(torch.stack, zip(*examples, strict=True))
        seeds = [s for seed in self.start.seeds for s in self.batch_seeds(seed)]
        errors: list[Tensor] = []
        train(
            copies,
            examples,
            self.recipe,
            seeds,
            after_step=lambda nets: errors.append(nets(inputs) - targets),
            device="cpu",
        )
        losses = torch.stack(errors).square().mean(2) / 2
        return losses.unflatten(1, (len(nets), self.copies))

    def linear_losses(self, exact: Gram, seed: int) -> Tensor:
        """Of linearised SGD on the same batches: (copies, steps)."""
        order = torch.stack([self.batches(s) for s in self.batch_seeds(seed)])
        errors = errors_along(
            exact.kernel, exact.residual[:, 0], self.recipe.rate, order
        )
        return torch.stack(list(errors)[1:], dim=1).square().mean(2) / 2

    def linear_mean(self, exact: Gram) -> np.ndarray:
        """The exact mean loss of linearised SGD, from step 0 on."""
        errors, drawn = exact.residual[:, 0].numpy(), "without replacement"
        if self.recipe.with_replacement:
            drawn = "with replacement"
        sampling = oracle.sampling(len(errors), self.recipe.batch, drawn)
        at = oracle.minimum_from_kernel(exact.kernel.numpy(), errors)
        return oracle.mean_loss(
            at, errors, self.recipe.rate, sampling, self.steps_of_mean
        )

    def batch_seeds(self, seed: int) -> list[int]:
        return [100 * seed + copy for copy in range(self.copies)]

    def batches(self, seed: int) -> Tensor:
        """The numbers of the examples that this training sees: (steps, batch)."""
        numbers = torch.arange(self.start.examples)
        numbered = Examples(numbers, numbers.float())
        epochs = range(self.recipe.epochs)
        seen = [epoch(numbered, self.recipe, seed, k).inputs for k in epochs]
        return torch.cat(seen).view(-1, self.recipe.batch)


@dataclass(frozen=True)
class Settle:
    """The flatness at the minima of another training, and where SGD goes from there."""

    start: Training
    recipe: Recipe

    def sources(self) -> list[Images]:
        return self.start.sources()

    def run(self) -> list[Row]:
        nets, train_sets = self.start.trained()
        before = self.looks(nets, train_sets, "before")
        train(nets, train_sets, self.recipe, self.start.seeds)
        return before + self.looks(nets, train_sets, "after")

    def looks(
        self, nets: list[nn.Module], train_sets: list[Examples], when: str
    ) -> list[Row]:
        each = zip(self.start.seeds, nets, train_sets, strict=True)
        return [
            {"seed": seed, "when": when} | flatness(exact_gram(net, train_set))
            for seed, net, train_set in each
        ]


def exact_gram(network: nn.Module, train_set: Examples) -> Gram:
    """In double precision: μ divides by a loss near zero."""
    device = best_device()
    network = deepcopy(network[:-1]).double().to(device)
    inputs, targets = (part.double().to(device) for part in train_set)
    memory = 30 if device.type == "cuda" else 1.5
    found = gram(network, inputs, targets[:, None], memory=memory)
    return Gram(found.kernel.cpu(), found.residual.cpu(), found.loss)


def flatness(exact: Gram) -> Row:
    return {
        "loss": exact.loss,
        "lambda_max": exact.eigenvalues()[0].item(),
        "trace": exact.trace,
        "frobenius": exact.frobenius,
        "mu": alignment(exact).mu,
    }


def exact_limit(exact: Gram, recipe: Recipe, tolerance: float) -> float:
    """Of the rate, for batches as the recipe draws them."""
    return stability_threshold(
        exact, recipe.batch, replacement=recipe.with_replacement, tol=tolerance
    )


def for_steps(rate: float, batch: int, examples: int, steps: int, **other) -> Recipe:
    """SGD on the square loss, batches drawn independently, to the epoch's end."""
    return Recipe(
        rate,
        epochs=-(-steps // (examples // batch)),
        batch=batch,
        loss="square",
        with_replacement=batch < examples,
        **{"stop_accuracy": None} | other,
    )


def setting() -> dict[str, Any]:
    """The small network on small images."""
    small = dials.at_scale(
        quick={"dataset": "digits", "width": 30, "examples": 40},
        laptop={"dataset": "cifar10", "width": 100, "examples": 200},
    )
    return small | {"network": "mlp", "side": 8, "seeds": tuple(seeds())}


def seeds() -> range:
    return dials.seeds(dials.at_scale(quick=3, laptop=5))


def three_seeds() -> tuple[int, ...]:
    return tuple(dials.seeds(3))


def usual_rate() -> float:
    return dials.at_scale(quick=0.1, laptop=0.05)


def fit(
    rate: float,
    batch: int,
    *,
    steps: int | None = None,
    stop_loss: float | None = None,
    **other,
) -> Fit:
    chosen = setting() | other
    steps = steps or dials.at_scale(quick=4000, laptop=20_000)
    recipe = for_steps(
        rate,
        batch,
        chosen["examples"],
        steps,
        warmup=200,
        check_every=max(1, 20 // (chosen["examples"] // batch)),
        stop_accuracy=1.0,
        stop_loss=stop_loss or dials.at_scale(quick=1e-3, laptop=1e-4),
    )
    return Fit(**chosen, recipe=recipe)


def whole_images() -> list[Fit]:
    """A convolutional network."""
    if dials.read().scale == "quick":
        small = {"network": "resnet8", "width": 4, "examples": 20}
        return [fit(0.1, 4, **small, seeds=three_seeds()[:1], stop_loss=0.05)]
    large = dials.at_scale(
        quick={},
        laptop={"network": "resnet8", "width": 8, "examples": 500, "steps": 40_000},
        paper={"network": "resnet18", "width": 64, "examples": 5000}
        | {"steps": 100_000, "seeds": three_seeds()},
    )
    return [
        fit(rate, batch, side=32, **large)
        for batch in (4, 16, 64)
        for rate in (0.02, 0.05, 0.1)
    ]


def grid() -> list[Fit]:
    """Batch sizes and rates."""
    rates = dials.at_scale(quick=(0.1,), laptop=(0.02, 0.05, 0.1))
    more = dials.at_scale(quick=(), laptop=((0.035, 1), (0.15, 4), (0.2, 4)))
    batches = 1, 4, 16, setting()["examples"]
    square = [fit(rate, batch) for batch in batches for rate in rates]
    return square + [fit(rate, batch) for rate, batch in more]


def departures() -> list[Leave]:
    """From gradient descent's minima, at several rates and batch sizes."""
    steps, copies = dials.at_scale(quick=(100, 4), laptop=(300, 8))
    start = gradient_descent()
    size = start.examples
    return [
        Leave(
            start,
            for_steps(rate, batch, size, steps, check_every=steps),
            copies=1 if batch == size else copies,
        )
        for rate in dials.at_scale(quick=(0.1,), laptop=(0.01, 0.02, 0.03))
        for batch in (1, 4, 16, size)
    ]


def settled() -> list[Settle]:
    """From the same minima at the same rate, for as long as SGD takes to settle."""
    steps = dials.at_scale(quick=1000, laptop=5000)
    start = gradient_descent()
    rate, size = start.recipe.rate, start.examples
    return [
        Settle(start, for_steps(rate, 4, size, steps, check_every=steps)),
        Settle(start, for_steps(rate, size, size, steps // 10, check_every=steps)),
    ]


def gradient_descent() -> Training:
    """To a small loss, at a rate of its own."""
    rate = dials.at_scale(quick=0.1, laptop=0.02)
    found = fit(rate, setting()["examples"], stop_loss=1e-6)
    return Training(**setting(), recipe=found.recipe)


def numbers_of_examples() -> list[Fit]:
    sizes = dials.at_scale(quick=(20, 40, 80), laptop=(50, 100, 200, 400, 800))
    return [fit(usual_rate(), 4, examples=size) for size in sizes]


def widths() -> list[Fit]:
    sizes = dials.at_scale(quick=(15, 30, 60), laptop=(25, 50, 100, 200, 400, 1000))
    return [fit(usual_rate(), 4, width=size) for size in sizes]


def far_below() -> list[Fit]:
    """A rate that no limit binds."""
    return [fit(dials.at_scale(quick=0.01, laptop=0.002), 4, steps=60_000)]


def edge() -> list[Edge]:
    """More examples, so that the loss takes its time; at last all in one batch."""
    examples = dials.at_scale(quick=100, laptop=1000)
    batches_and_steps = dials.at_scale(
        quick=((4, 600), (100, 600)),
        laptop=((2, 12_000), (8, 6000), (32, 3000), (1000, 3000)),
    )
    chosen = setting() | {"examples": examples, "seeds": three_seeds()}
    return [
        Edge(
            **chosen,
            recipe=for_steps(
                usual_rate(), batch, examples, steps, warmup=200, check_every=steps
            ),
            look_every=steps // 10,
        )
        for batch, steps in batches_and_steps
    ]


def along() -> list[Along]:
    """Networks of several widths, and numbers of examples."""
    plans = dials.at_scale(
        quick=[("shallow", (15, 60), 30)],
        laptop=[
            ("shallow", (25, 100, 400), 100),
            ("mlp", (25, 100, 400), 100),
            ("vgg6", (4, 8, 16), 8),
        ],
    )
    usual = setting()["examples"]
    other_sizes = dials.at_scale(quick=(20,), laptop=(50, 400))
    chosen = [
        *((network, w, usual) for network, ws, _ in plans for w in ws),
        *((network, w, m) for network, _, w in plans for m in other_sizes),
    ]
    return [watched_way(*each) for each in chosen]


def watched_way(network: str, width: int, examples: int) -> Along:
    steps = dials.at_scale(quick=200, laptop=1500)
    size = {"width": width, "examples": examples, "seeds": three_seeds()}
    return Along(
        **setting() | {"network": network} | size,
        recipe=for_steps(usual_rate(), 4, examples, steps, warmup=200),
    )


SWEEPS = {
    "whole images": whole_images,
    "grid": grid,
    "departures": departures,
    "settled": settled,
    "numbers of examples": numbers_of_examples,
    "widths": widths,
    "far below": far_below,
    "edge": edge,
    "along": along,
}
