"""Networks at good and bad minima, and how they go on: with label noise, and else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from helpers import dials, networks, records
from helpers.curvature.gram import trace
from helpers.dials import BookError
from helpers.images.corruptions import confusion_set
from helpers.images.pair import as_signs, two_classes
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.training import gradients
from helpers.training.epochs import Examples
from helpers.training.loop import Outcome, accuracy, train
from helpers.training.recipe import Recipe
from helpers.training.weights import load_or_train

Row = dict[str, Any]


@dataclass(frozen=True)
class Confusion:
    """What is learned first, and leads to a bad minimum: random labels."""

    copies: int  # noisy ones, of each image
    zeroed: float  # share of the components of their pixels
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Start:
    """Small networks at minima, one for each seed: bad ones after a confusion."""

    seeds: tuple[int, ...]
    dataset: str
    side: int  # of an image, in pixels
    examples: int
    network: str
    width: int
    settle: Recipe
    confusion: Confusion | None = None

    @property
    def kind(self) -> str:
        return "bad" if self.confusion else "ordinary"

    def networks(self) -> list[nn.Module]:
        features = self.train_set(self.seeds[0]).inputs.shape[1:]
        shape = {"inputs": tuple(features), "outputs": 1, "width": self.width}
        nets = [networks.build(self.network, seed=k, **shape) for k in self.seeds]
        load_or_train(self, nets, lambda: self.find(nets))
        return nets

    def find(self, nets: Sequence[nn.Module]) -> None:
        """First the labels of the coin, if any, fast; then the true ones, slowly."""
        name = records.name_of(self, with_code=True)
        if self.confusion:
            mixed = [self.confused(seed) for seed in self.seeds]
            fit(nets, mixed, self.confusion.recipe, self.seeds, f"{name}-confusion")
        true = [self.train_set(seed) for seed in self.seeds]
        fit(nets, true, self.settle, self.seeds, f"{name}-settle")

    def confused(self, seed: int) -> Examples:
        """The images and noisy copies of them, labelled by the toss of a coin."""
        images, how = self.images(seed), self.confusion
        copies = confusion_set(images, how.copies + 1, how.zeroed, seed, whole=False)
        noisy = self.as_examples(copies).inputs[self.examples :]
        inputs = torch.cat([self.as_examples(images).inputs, noisy])
        coins = torch.Generator().manual_seed(seed)
        signs = 2 * torch.randint(2, inputs.shape[:1], generator=coins) - 1
        return Examples(inputs, signs.float())

    def train_set(self, seed: int) -> Examples:
        return self.as_examples(self.images(seed))

    def test_set(self) -> Examples:
        return self.as_examples(two_classes(self.dataset, "test"))

    def images(self, seed: int) -> Images:
        return subset(two_classes(self.dataset, "train"), self.examples, seed)

    def as_examples(self, images: Images) -> Examples:
        pixels, signs = as_signs(images, self.dataset, self.side)
        return Examples(pixels.flatten(1), signs)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How networks go on from their minima; then a rest without what disturbs them."""

    arm: str  # its name on the page
    recipe: Recipe
    rest: Recipe
    descends: str = "loss"  # or what else: see `gradient`
    strength: float = 0.0  # σ of the noise, the penalty's weight, a radius, a share

    def go_on(
        self,
        nets: Sequence[nn.Module],
        train_sets: Sequence[Examples],
        seeds: Iterable[int],
        **probes: Any,
    ) -> list[tuple[Outcome, Outcome]]:
        """The outcomes of both parts, for every network."""
        name = records.name_of(self, with_code=True)
        how = {"gradient": self.gradient(), "checkpoint": name} | probes
        way = train(nets, train_sets, self.recipe, seeds, **how)
        quiet = self.quiet_gradient()
        rest = train(nets, train_sets, self.rest, seeds, gradient=quiet)
        return list(zip(way, rest, strict=True))

    def gradient(self) -> gradients.Gradient:
        """Of the loss on the batch, or of what the arm descends in its place."""
        if self.descends == "loss":
            return gradients.loss_gradient
        return {
            "turned noise": gradients.turned_noise,
            "penalty": gradients.penalised,
            "SAM": gradients.sharpness_aware,
            "flips": gradients.flipped,
        }[self.descends](self.strength)

    def quiet_gradient(self) -> gradients.Gradient:
        """Flips come with a loss of their own, which stays."""
        logistic = self.descends == "flips"
        return gradients.flipped(0.0) if logistic else gradients.loss_gradient


@dataclass(frozen=True, kw_only=True)
class Arm(Way):
    """The small networks of all seeds and starts, side by side."""

    starts: tuple[Start, ...]
    looks: tuple[int, ...]  # steps

    def sources(self) -> list[Images]:
        return [two_classes(self.starts[0].dataset, part) for part in ("train", "test")]

    def run(self) -> list[Row]:
        nets = [net for start in self.starts for net in start.networks()]
        members = [(start, seed) for start in self.starts for seed in start.seeds]
        train_sets = [start.train_set(seed) for start, seed in members]
        look = Look(nets, train_sets, self.starts[0].test_set())
        probes = {"probes": {"probe": look}, "probe_at": self.looks}
        seeds = [seed for _, seed in members]
        outcomes = self.go_on(nets, train_sets, seeds, **probes)
        return [
            {"kind": start.kind, "seed": seed} | report(net, look, *both)
            for (start, seed), net, both in zip(members, nets, outcomes, strict=True)
        ]


class Look:
    """Flatness, accuracy on own and new images, and the distance from the start."""

    def __init__(
        self,
        nets: Sequence[nn.Module],
        train_sets: Sequence[Examples],
        test_set: Examples,
    ):
        self.train_sets = dict(zip(map(id, nets), train_sets, strict=True))
        self.test_set = test_set
        self.origins = {id(net): weights_of(net) for net in nets}

    def __call__(self, net: nn.Module) -> Row:
        train_set = self.train_sets[id(net)]
        return {
            "trace": trace_of(net[:-1], train_set.inputs),
            "train": accuracy(net, train_set),
            "test": accuracy(net, self.test_set),
            "moved": (weights_of(net) - self.origins[id(net)]).norm().item(),
        }


def report(net: nn.Module, look: Look, way: Outcome, rest: Outcome) -> Row:
    """What a network is after the rest, what it was at first, and its course."""
    course = [{"step": at["step"]} | at["probe"] for at in way.history]
    first = {f"start_{name}": course[0][name] for name in ("trace", "train", "test")}
    if way.diverged or rest.diverged:
        return {"diverged": True} | first
    end = look(net) | {"loss": rest.loss}
    return {"diverged": False} | first | end | {"course": course}


@dataclass(frozen=True, kw_only=True)
class ConvolutionalStart:
    """A convolutional network at a minimum: a bad one after a confusion."""

    seed: int
    dataset: str
    classes: int
    examples: int
    network: str
    width: int
    norm: str
    settle: Recipe
    confusion: Confusion | None = None

    @property
    def kind(self) -> str:
        return "bad" if self.confusion else "ordinary"

    def build(self) -> nn.Module:
        net = networks.build(
            self.network,
            inputs=tuple(self.images("train").pixels.shape[1:]),
            outputs=self.classes,
            width=self.width,
            norm=self.norm,
            seed=self.seed,
        )
        load_or_train(self, [net], lambda: self.find(net))
        return net

    def find(self, net: nn.Module) -> None:
        """First the noisy copies with random labels, if any; then the images."""
        name, how = records.name_of(self, with_code=True), self.confusion
        pool = self.images("train")
        images = subset(pool, self.examples, self.seed)
        if how:
            mixed = confusion_set(
                images, how.copies, how.zeroed, self.seed, whole=False
            )
            mixed = self.as_examples(mixed, like=pool)
            fit([net], [mixed], how.recipe, [self.seed], f"{name}-confusion")
        true = self.as_examples(images, like=pool)
        fit([net], [true], self.settle, [self.seed], f"{name}-settle")

    def train_and_test_set(self) -> tuple[Examples, Examples]:
        pool = self.images("train")
        own = subset(pool, self.examples, self.seed)
        return tuple(
            self.as_examples(images, like=pool) for images in (own, self.images("test"))
        )

    def images(self, split: str) -> Images:
        images = load_split(self.dataset, split)
        return images.only(images.labels < self.classes)

    def as_examples(self, images: Images, like: Images) -> Examples:
        """Standardised; for the square loss, a row with a single one for each label."""
        targets = images.labels
        if self.settle.loss == "square":
            targets = one_hot(targets, self.classes).float()
        return Examples(images.standardised(like=like), targets)


@dataclass(frozen=True, kw_only=True)
class ConvolutionalArm(Way):
    """One network: at its minimum, and after the way and the rest."""

    start: ConvolutionalStart
    traced: int  # examples behind a trace

    def sources(self) -> list[Images]:
        return [self.start.images(part) for part in ("train", "test")]

    def run(self) -> Row:
        net, (train_set, test_set) = self.start.build(), self.start.train_and_test_set()
        origin, first = weights_of(net), self.look(net, train_set, test_set)
        outcomes = self.go_on([net], [train_set], [self.start.seed])[0]
        diverged = any(outcome.diverged for outcome in outcomes)
        row = {"kind": self.start.kind, "seed": self.start.seed, "diverged": diverged}
        row |= {f"start_{name}": value for name, value in first.items()}
        if diverged:
            return row
        moved = (weights_of(net) - origin).norm().item()
        return row | self.look(net, train_set, test_set) | {"moved": moved}

    def look(self, net: nn.Module, train_set: Examples, test_set: Examples) -> Row:
        return {
            "trace": trace_of(net, train_set.inputs[: self.traced]),
            "train": accuracy(net, train_set),
            "test": accuracy(net, test_set),
        }


def fit(
    nets: Sequence[nn.Module],
    examples: Sequence[Examples],
    recipe: Recipe,
    seeds: Iterable[int],
    checkpoint: str,
) -> None:
    """Trained until they meet the recipe's criterion; else it is no minimum."""
    outcomes = train(nets, examples, recipe, seeds, checkpoint=checkpoint)
    if not all(outcome.fits for outcome in outcomes):
        worst = max(outcome.loss for outcome in outcomes)
        raise BookError(f"loss {worst:.2g} is no minimum: train longer")


@torch.no_grad()
def trace_of(net: nn.Module, inputs: Tensor) -> float:
    """tr H of the square loss where it is zero: with its own outputs as targets."""
    inputs = inputs.to(next(net.parameters()).device)
    targets = net(inputs)
    return trace(net, inputs, targets) if targets.isfinite().all() else nan


def weights_of(net: nn.Module) -> Tensor:
    return torch.cat([w.detach().flatten() for w in net.parameters()]).cpu()


def arms() -> list[Arm]:
    """How small networks go on from both kinds of minima.

    The noise switched off; three strengths of it; the largest twice more by other means
    but with the same λ; four without noise in the labels. Full batches, whose noise is
    so large that λ is the same once more, start from the bad minima only.
    """
    bad, ordinary = starts()
    both, root = (bad, ordinary), 2**0.5
    penalty = penalty_weight(root, rate=0.004, batch=4)
    return [
        small_arm("no noise", both),
        small_arm("label noise", both, noise=root),
        small_arm("turned noise", both, descends="turned noise", strength=root),
        small_arm("explicit", both, descends="penalty", strength=penalty),
        small_arm("λ/4", both, noise=0.5**0.5),
        small_arm("λ/2", both, noise=1.0),
        small_arm("batch 16", both, noise=8**0.5, batch=16),
        small_arm("half the rate", both, noise=2.0, rate=0.002),
        small_arm("full batch", (bad,), noise=100**0.5, batch=bad.examples),
        small_arm("SAM", both, descends="SAM", strength=0.1),
        small_arm("large rate", both, rate=0.02),
    ]


def flips() -> list[Arm]:
    """The logistic loss from the bad minima, with and without flipped labels."""
    bad, _ = starts()
    return [
        small_arm(
            f"flips {share:g}, rate {rate:g}",
            (bad,),
            rate=rate,
            batch=20,
            descends="flips",
            strength=share,
        )
        for rate in (0.02, 0.1)
        for share in (0.0, 0.1)
    ]


def starts() -> tuple[Start, Start]:
    """The bad minima and the ordinary ones, of the same networks and images."""
    dataset, examples, width, copies, loss, seeds = dials.at_scale(
        quick=("digits", 100, 40, 1, 2e-2, 2),
        laptop=("cifar10", 200, 100, 3, 2e-4, 5),
    )
    how = {"loss": "square", "batch": 20, "check_every": 20}
    ordinary = Start(
        seeds=tuple(dials.seeds(seeds)),
        dataset=dataset,
        side=8,
        examples=examples,
        network="mlp",
        width=width,
        settle=Recipe(rate=0.005, epochs=4000, stop_loss=loss, **how),
    )
    how |= {"batch": 10, "check_every": 5, "stop_accuracy": 0.99, "stop_loss": 0.02}
    memorise = Recipe(rate=0.01, epochs=400, **how)
    return replace(ordinary, confusion=Confusion(copies, 0.1, memorise)), ordinary


def small_arm(
    label: str,
    starts: tuple[Start, ...],
    *,
    rate: float = 0.004,
    batch: int = 4,
    noise: float = 0.0,
    **descent: Any,
) -> Arm:
    """As many steps for all; then an eighth as many, at a rate that all can bear."""
    steps, an_epoch = (
        dials.at_scale(quick=250, laptop=8000),
        starts[0].examples // batch,
    )
    recipe = steady(rate, round(steps / an_epoch), batch, loss="square")
    rest = replace(recipe, rate=min(rate, 0.004), epochs=round(steps // 8 / an_epoch))
    return Arm(
        arm=label,
        starts=starts,
        recipe=replace(recipe, label_noise=noise),
        rest=rest,
        looks=(0, *(steps >> k for k in range(6, -1, -1))),
        **descent,
    )


def convolutional() -> list[ConvolutionalArm]:
    """Four ways to go on from both kinds of minima, at one rate.

    The penalty is slow, and gets three seeds. At the scale `paper` there are two ways:
    the others need the square loss.
    """
    noise, count = dials.at_scale(quick=(0.5, 1), laptop=(0.5, 5), paper=(0.2, 3))
    ways = {
        "no noise": (count, {}),
        "label noise": (count, {"noise": noise}),
        "turned noise": (count, {"descends": "turned noise", "strength": noise}),
        "explicit": (min(count, 3), {"penalty_of": noise}),
    }
    if dials.read().scale == "paper":
        ways = {label: ways[label] for label in ("no noise", "label noise")}
    return [
        convolutional_arm(label, start, **how)
        for label, (seeds, how) in ways.items()
        for seed in dials.seeds(seeds)
        for start in convolutional_starts(seed)
    ]


def convolutional_starts(seed: int) -> tuple[ConvolutionalStart, ConvolutionalStart]:
    """A bad minimum and an ordinary one; with a norm, no trace would mean much."""
    small = {"network": "resnet8", "norm": "none"}
    large = {"network": "resnet18", "norm": "group"}
    shape, rate, batch, until = dials.at_scale(
        quick=(
            small | {"dataset": "digits", "width": 4, "examples": 30},
            *(0.1, 10, {"loss": "square", "stop_loss": 0.05}),
        ),
        laptop=(
            small | {"dataset": "cifar10", "width": 16, "examples": 500},
            *(0.02, 10, {"loss": "square", "stop_loss": 1e-3}),
        ),
        paper=(
            large | {"dataset": "cifar10", "width": 64, "examples": 50_000},
            *(0.1, 256, {"precision": "bf16"}),
        ),
    )
    settle = Recipe(rate, 2000, batch, check_every=5, **until)
    memorise = replace(settle, rate=2.5 * rate, stop_accuracy=0.99, stop_loss=None)
    ordinary = ConvolutionalStart(seed=seed, classes=10, settle=settle, **shape)
    return replace(ordinary, confusion=Confusion(1, 0.1, memorise)), ordinary


def convolutional_arm(
    label: str,
    start: ConvolutionalStart,
    *,
    noise: float = 0.0,
    penalty_of: float | None = None,
    **descent: Any,
) -> ConvolutionalArm:
    """Epochs at one rate; then a quarter as many."""
    rate, epochs, traced = dials.at_scale(
        quick=(0.1, 3, 30), laptop=(0.05, 200, 500), paper=(0.5, 200, 200)
    )
    settle = start.settle
    how = {"loss": settle.loss, "precision": settle.precision}
    recipe = steady(rate, epochs, settle.batch, **how)
    if penalty_of:
        weight = penalty_weight(penalty_of, rate, settle.batch)
        descent = {"descends": "penalty", "strength": weight}
    return ConvolutionalArm(
        arm=label,
        start=start,
        recipe=replace(recipe, label_noise=noise),
        rest=replace(recipe, epochs=-(-epochs // 4)),
        traced=traced,
        **descent,
    )


def penalty_weight(noise: float, rate: float, batch: int) -> float:
    """That of tr H which label noise of this deviation would have: λ/4."""
    return noise**2 * rate / batch / 4


def steady(rate: float, epochs: int, batch: int, **how: Any) -> Recipe:
    """A recipe that goes on to its end, each batch drawn independently."""
    return Recipe(rate, epochs, batch, with_replacement=True, stop_accuracy=None, **how)


SWEEPS = {
    "arms": arms,
    "flips": flips,
    "convolutional": convolutional,
}
