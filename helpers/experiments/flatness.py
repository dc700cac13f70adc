"""Networks at good and bad minima, and how they go on: with label noise, and else."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.functional import cross_entropy, one_hot

from helpers import dials, networks, records
from helpers.curvature.gram import trace
from helpers.curvature.losses import output_curvature
from helpers.dials import BookError
from helpers.images.corruptions import confusion_set
from helpers.images.pair import as_signs, two_classes
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.training import gradients
from helpers.training.ensemble import Ensemble
from helpers.training.epochs import Examples
from helpers.training.loop import Outcome, accuracy, outputs, train
from helpers.training.recipe import Recipe
from helpers.training.step import best_device
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


@dataclass(frozen=True, kw_only=True)
class SmoothedStart(ConvolutionalStart):
    """At a minimum of the smoothed loss, where flipped labels push no way on average.

    A bad one after a confusion; else an ordinary one.
    """

    share: float  # of labels that are drawn anew

    def find(self, net: nn.Module) -> None:
        name, how = records.name_of(self, with_code=True), self.confusion
        pool = self.images("train")
        images = subset(pool, self.examples, self.seed)
        if how:
            mixed = confusion_set(images, how.copies, how.zeroed, self.seed)
            mixed = self.as_examples(mixed, like=pool)
            fit([net], [mixed], how.recipe, [self.seed], f"{name}-confusion")
        true = [self.as_examples(images, like=pool)]
        way = {"gradient": smoothed(self.share), "checkpoint": f"{name}-settle"}
        train([net], true, self.settle, [self.seed], **way)


@dataclass(frozen=True, kw_only=True)
class SmoothedArm(ConvolutionalArm):
    """From a minimum of the smoothed loss, and back to one: flips, or the loss itself.

    What descends the plain loss on true labels rests on that.
    """

    start: SmoothedStart

    def gradient(self) -> gradients.Gradient:
        smooth = self.descends == "smoothed loss"
        return smoothed(self.start.share) if smooth else gradients.loss_gradient

    def quiet_gradient(self) -> gradients.Gradient:
        plain = self.descends == "loss" and not self.recipe.label_noise
        return gradients.loss_gradient if plain else smoothed(self.start.share)

    def look(self, net: nn.Module, train_set: Examples, test_set: Examples) -> Row:
        plain = {"memory_format": torch.contiguous_format}  # as vmap needs it
        net = copy.deepcopy(net).to(best_device(), **plain)
        said, labels = outputs(net, train_set.inputs), train_set.targets
        loss = cross_entropy(said, labels, label_smoothing=self.start.share)
        absolute, relative = traces(net, train_set.inputs[: self.traced])
        return {
            "excess": loss.item() - floor(self.start.share, self.start.classes),
            "trace": absolute,
            "relative trace": relative,
            "train": (said.argmax(1) == labels).float().mean().item(),
            "test": accuracy(net, test_set),
        }


def smoothed(share: float) -> gradients.Gradient:
    """Of the loss that a label has on average if that share of them is drawn anew."""

    def gradient(
        networks: Ensemble, inputs: Tensor, targets: Tensor, recipe: Recipe
    ) -> None:
        said = networks(inputs).float().flatten(0, 1)
        loss = cross_entropy(said, targets.flatten(), label_smoothing=share)
        (len(targets) * loss).backward()

    return gradient


def floor(share: float, classes: int) -> float:
    """The least that the smoothed loss can be: the entropy of the labels."""
    told = torch.full((classes,), share / classes)
    told[0] += 1 - share
    return torch.special.entr(told).sum().item()


@torch.no_grad()
def traces(net: nn.Module, inputs: Tensor, chunk: int = 20) -> tuple[float, float]:
    """tr H of the cross-entropy where its gradient is zero, on average an example.

    And that with every weight measured as a multiple of itself, which no factor changes
    that one layer hands to the next.
    """
    weights = {name: w.detach() for name, w in net.named_parameters()}

    def said(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        return functional_call(net, weights, image[None])[0]

    absolute = relative = 0.0
    for images in inputs.to(next(iter(weights.values())).device).split(chunk):
        found = net(images)
        root = output_curvature(cross_entropy, found, found.argmax(1)).root
        slopes = vmap(jacrev(said), (None, 0))(weights, images)
        for name, slope in slopes.items():
            rows = torch.einsum("icr,ic...->ir...", root, slope)
            absolute += rows.square().sum().item()
            relative += (rows * weights[name]).square().sum().item()
    return absolute / len(inputs), relative / len(inputs)


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

    The page opens with two of them, which get ten seeds; the penalty is slow, and gets
    three. At the scale `paper` there are these two only: the others need the square
    loss.
    """
    noise, count = dials.at_scale(quick=(0.5, 1), laptop=(0.5, 10), paper=(0.2, 3))
    ways = {
        "no noise": (count, {}),
        "label noise": (count, {"noise": noise}),
        "turned noise": (
            min(count, 5),
            {"descends": "turned noise", "strength": noise},
        ),
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


def convolutional_starts(
    seed: int, classes: int = 10, examples: int | None = None
) -> tuple[ConvolutionalStart, ConvolutionalStart]:
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
    shape |= {"examples": examples or shape["examples"], "classes": classes}
    ordinary = ConvolutionalStart(seed=seed, settle=settle, **shape)
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


def ladder() -> list[Arm | ConvolutionalArm]:
    """Between the small network and the convolutional one: one thing changed at a time.

    Whole images for the small one; two classes for the other.
    """
    side = dials.at_scale(quick=8, laptop=32)
    whole = tuple(replace(start, side=side) for start in starts())
    small = small_arm("no noise", whole), small_arm("label noise", whole, noise=2**0.5)
    return [*small, *with_noise_and_without(classes=2)]


def more_images() -> list[ConvolutionalArm]:
    """Ten classes, from four times as many images."""
    counts = dials.at_scale(quick=(), laptop=(2000,))
    return [run for n in counts for run in with_noise_and_without(examples=n)]


def with_noise_and_without(**changes: int) -> list[ConvolutionalArm]:
    noise, count = dials.at_scale(quick=(0.5, 1), laptop=(0.5, 5))
    return [
        convolutional_arm(label, start, noise=strength)
        for seed in dials.seeds(count)
        for label, strength in (("no noise", 0.0), ("label noise", noise))
        for start in convolutional_starts(seed, **changes)
    ]


def source_arms() -> list[SmoothedArm]:
    """Cross-entropy, its labels flipped or not, from minima of the smoothed loss."""
    return smoothed_arms(0.5, "flips", "smoothed loss")


def source_more() -> list[SmoothedArm]:
    """The plain loss, momentum, and a fifth of the rate."""
    others = "plain loss", "flips, momentum"
    ways = (0.5, others), (0.1, ("flips", "smoothed loss", *others))
    chosen = dials.at_scale(quick=(), laptop=ways)
    return [run for rate, labels in chosen for run in smoothed_arms(rate, *labels)]


def smoothed_arms(rate: float, *labels: str) -> list[SmoothedArm]:
    """From both kinds of minima; momentum from the bad ones, at one rate of travel."""
    flips = {"label_noise": FLIPPED}
    ways = {
        "flips": flips,
        "smoothed loss": {"descends": "smoothed loss"},
        "plain loss": {},
        "flips, momentum": flips | {"momentum": 0.9},
    }
    return [
        smoothed_arm(label, start, rate, **ways[label])
        for label in labels
        for seed in dials.seeds(dials.at_scale(quick=1, laptop=5))
        for start in smoothed_starts(seed)
        if start.confusion or "momentum" not in ways[label]
    ]


FLIPPED = (
    0.2 * 10 / 9
)  # a fifth of the labels is another one, if so many are drawn anew


def smoothed_starts(seed: int) -> tuple[SmoothedStart, SmoothedStart]:
    """A bad minimum; and an ordinary one, found with large batches."""
    shape, batch, large, epochs, precision = dials.at_scale(
        quick=(
            {"dataset": "digits", "width": 8, "examples": 100},
            20,
            50,
            20,
            "float32",
        ),
        laptop=(
            {"dataset": "cifar10", "width": 32, "examples": 5000},
            *(128, 1000, 200, "bf16"),
        ),
    )
    how = {"stop_accuracy": None, "check_every": epochs, "precision": precision}
    settle = Recipe(0.05, epochs, batch, drops=(0.8,), **how)
    slow = replace(settle, rate=0.2, epochs=5 * epochs // 2, batch=large)
    shape |= {"network": "resnet8", "norm": "group", "share": FLIPPED}
    ordinary = SmoothedStart(seed=seed, classes=10, settle=slow, **shape)
    until = {"stop_accuracy": 0.999, "check_every": 2, "precision": precision}
    astray = Confusion(1, 0.1, Recipe(0.1, 300, batch, **until))
    return replace(ordinary, settle=settle, confusion=astray), ordinary


def smoothed_arm(
    label: str,
    start: SmoothedStart,
    rate: float,
    *,
    label_noise: float = 0.0,
    momentum: float = 0.0,
    descends: str = "loss",
) -> SmoothedArm:
    """Epochs at one rate; then a third as many that come to rest."""
    epochs, traced, batch = dials.at_scale(quick=(5, 20, 20), laptop=(300, 200, 128))
    settle = start.settle
    how = {"momentum": momentum, "precision": settle.precision}
    how |= {"stop_accuracy": None, "check_every": epochs}
    recipe = Recipe(rate * (1 - momentum), epochs, batch, **how)
    rest = replace(
        recipe, rate=0.05 * (1 - momentum), epochs=-(-epochs // 3), drops=(0.5,)
    )
    recipe = replace(recipe, label_noise=label_noise)
    return SmoothedArm(
        arm=label,
        start=start,
        recipe=recipe,
        rest=rest,
        traced=traced,
        descends=descends,
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
    "ladder": ladder,
    "more images": more_images,
    "source's experiment": source_arms,
    "source's experiment, more": source_more,
}
