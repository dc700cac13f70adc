"""A network, trained long after it fits: what becomes of its confidence on new data."""

from dataclasses import dataclass

import numpy as np
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import dials, networks, records
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.training.epochs import Examples
from helpers.training.loop import outputs, train
from helpers.training.recipe import Recipe


@dataclass(frozen=True)
class Long:
    """One network at one rate; what it makes of both sets of images, along the way."""

    seed: int
    dataset: str
    network: str
    width: int
    examples: int
    recipe: Recipe
    looks: int = 17  # evenly spaced in the logarithm of the step
    first_look: float = 1 / 200  # of all steps

    def sources(self) -> list[Images]:
        return [load_split(self.dataset, part) for part in ("train", "test")]

    def run(self) -> list[dict[str, float]]:
        train_set, test_set = self.examples_of()
        network = networks.build(
            self.network,
            inputs=tuple(train_set.inputs.shape[1:]),
            width=self.width,
            seed=self.seed,
        )

        def look(network: nn.Module) -> dict[str, float]:
            return confidence(network, train_set) | {
                f"test_{name}": value
                for name, value in confidence(network, test_set).items()
            }

        outcome = train(
            [network],
            [train_set],
            self.recipe,
            [self.seed],
            probes={"probe": look},
            probe_at=self.steps_looked_at(),
            checkpoint=records.name_of(self, with_code=True),
        )[0]
        return [{"step": at["step"]} | at["probe"] for at in outcome.history]

    def examples_of(self) -> tuple[Examples, Examples]:
        """Its own images and all new ones, standardised alike."""
        train_images, test_images = self.sources()
        own = subset(train_images, self.examples, self.seed)
        return tuple(
            Examples(some.standardised(like=train_images), some.labels)
            for some in (own, test_images)
        )

    def steps_looked_at(self) -> list[int]:
        last = self.recipe.epochs * (self.examples // self.recipe.batch)
        looks = np.geomspace(last * self.first_look, last, self.looks)
        return looks.round().astype(int).tolist()


def confidence(network: nn.Module, examples: Examples) -> dict[str, float]:
    """The mean loss, and the share of examples that are told wrongly."""
    logits = outputs(network, examples.inputs)
    wrong = logits.argmax(1) != examples.targets
    loss = cross_entropy(logits, examples.targets).item()
    return {"loss": loss, "error": wrong.float().mean().item()}


def long_runs() -> list[Long]:
    """Without weight decay, and some with it."""
    settings, recipe, seeds = dials.at_scale(
        quick=(
            {"dataset": "digits", "network": "resnet8", "width": 4, "examples": 60},
            {"epochs": 30, "batch": 20, "weight_decay": 5e-3},
            2,
        ),
        laptop=(
            {"dataset": "cifar10", "network": "resnet8", "width": 16, "examples": 1000},
            {"epochs": 200, "batch": 50, "weight_decay": 5e-3},
            5,
        ),
        paper=(
            {"dataset": "cifar10", "network": "resnet18", "width": 64}
            | {"examples": 50_000},
            {"epochs": 400, "batch": 128, "weight_decay": 5e-4, "precision": "bf16"},
            3,
        ),
    )
    decayed = Recipe(rate=0.1, stop_accuracy=None, **recipe)
    plain = Recipe(rate=0.1, stop_accuracy=None, **recipe | {"weight_decay": 0.0})
    return [
        Long(seed, **settings, recipe=recipe)
        for recipe in (plain, decayed)
        for seed in dials.seeds(seeds)
    ]


def two_decades() -> list[Long]:
    """A small network without weight decay, a hundred times as long as it needs."""
    settings, recipe, seeds = dials.at_scale(
        quick=(
            {"dataset": "digits", "network": "mlp", "width": 16, "examples": 60},
            {"epochs": 200, "batch": 20},
            2,
        ),
        laptop=(
            {"dataset": "cifar10", "network": "mlp", "width": 64, "examples": 500},
            {"epochs": 3000, "batch": 50},
            3,
        ),
    )
    recipe = Recipe(rate=0.1, stop_accuracy=None, **recipe)
    looks = {"looks": 13, "first_look": 1 / 1000}
    return [
        Long(seed, **settings, recipe=recipe, **looks) for seed in dials.seeds(seeds)
    ]


SWEEPS = {"long runs": long_runs, "two decades": two_decades}
