"""Networks that fit their training set, from random weights and from adversarial ones.

An adversarial start has learnt noisy copies of the training images by heart, each with
a label drawn at random.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from itertools import combinations, product

import torch
from torch import Tensor, nn

from helpers import dials, networks, records
from helpers.curvature.gram import gram
from helpers.curvature.sensitivity import folded, input_sensitivity, margins, path_norm
from helpers.curvature.sketch import sketch_trace
from helpers.dials import BookError
from helpers.images.corruptions import confusion_set, gaussian_pixels
from helpers.images.pair import as_signs, two_classes
from helpers.images.sources import load_split
from helpers.images.table import Images, subset, table
from helpers.training.epochs import Examples
from helpers.training.loop import accuracy, outputs, train
from helpers.training.recipe import Recipe
from helpers.training.step import best_device
from helpers.training.weights import load_or_train


@dataclass(frozen=True)
class Start:
    """Where a network begins; without noisy copies, at random weights."""

    seed: int
    copies: int  # R
    kind: str  # as it is, other images, new head, or norms only
    labels: str  # of the copies: random, or true for a control
    dataset: str
    network: str
    width: int
    examples: int
    memorise: Recipe
    zeroed: float = 0.1  # share of each copy
    whole_pixels: bool = True  # or components of pixels, as in the authors' code
    known: float = 0.999  # share of the copies whose labels must be known by heart

    def weights(self) -> nn.Module:
        """The paper's algorithm; all that begin here share what it gives."""
        random = self.random_weights()
        if not self.copies:
            return random
        network, origin = copy.deepcopy(random), self.origin()
        load_or_train(origin, [network], lambda: origin.learn_by_heart(network))
        return self.altered(network, random)

    def random_weights(self) -> nn.Module:
        own = self.own_images()
        return networks.build(
            self.network,
            inputs=tuple(own.pixels.shape[1:]),
            outputs=own.classes,
            width=self.width,
            seed=self.seed,
        )

    def origin(self) -> "Start":
        """The start of which this is an alteration, or itself."""
        return self if self.kind == "other images" else replace(self, kind="as it is")

    def learn_by_heart(self, network: nn.Module) -> None:
        copies = self.noisy_copies()
        checkpoint = records.name_of(self, with_code=True)
        train([network], [copies], self.memorise, [self.seed], checkpoint=checkpoint)
        must_know(self.known, accuracy(network, copies), self.memorise)

    def altered(self, network: nn.Module, random: nn.Module) -> nn.Module:
        match self.kind:
            case "as it is" | "other images":
                return network
            case "new head":
                return new_head(network, random)
            case "norms only":
                return norms_only(network, random)
        raise BookError(f"no start is called {self.kind!r}: see Start.altered")

    def own_images(self) -> Images:
        """Those that the network is to be trained on: as many of each class."""
        return subset(load_split(self.dataset, "train"), self.examples, self.seed)

    def other_images(self) -> Images:
        """As many others."""
        train_images = load_split(self.dataset, "train")
        both = subset(train_images, 2 * self.examples, self.seed)
        return both.only(torch.arange(self.examples, 2 * self.examples))

    def noisy_copies(self) -> Examples:
        other = self.kind == "other images"
        images = self.other_images() if other else self.own_images()
        noisy = confusion_set(
            images, self.copies, self.zeroed, self.seed, self.whole_pixels
        )
        if self.labels == "true":
            noisy = noisy._replace(labels=images.labels.repeat(self.copies))
        return as_examples(noisy, like=images)


@dataclass(frozen=True)
class LargeStart(Start):
    """That of a network too large to be looked at on a CPU."""

    def learn_by_heart(self, network: nn.Module) -> None:
        checkpoint = records.name_of(self, with_code=True)
        copies, one = [self.noisy_copies()], [network]
        end = train(one, copies, self.memorise, [self.seed], checkpoint=checkpoint)[0]
        must_know(self.known, end.accuracy, self.memorise)


@dataclass(frozen=True)
class Altered(Start):
    """What becomes of a start that others begin at, too."""

    def origin(self) -> Start:
        return Start(**{own.name: getattr(self, own.name) for own in fields(Start)})


@dataclass(frozen=True)
class Mixed(Altered):
    """Some parts of the adversarial start, the others those of random weights."""

    taken: tuple[str, ...] = ()  # directions and norms of the matrices; state: the rest

    @torch.no_grad()
    def altered(self, network: nn.Module, random: nn.Module) -> nn.Module:
        mixed = copy.deepcopy(network if "state" in self.taken else random)
        for own, old, new in zip(*map(matrices, (mixed, random, network)), strict=True):
            direction = new if "directions" in self.taken else old
            norm = (new if "norms" in self.taken else old).norm()
            own.copy_(direction * (norm / direction.norm()))
        return mixed


@dataclass(frozen=True)
class Shrunk(Altered):
    """The adversarial start made smaller, and random weights added to it."""

    kept: float = 1.0
    added: float = 0.0

    @torch.no_grad()
    def altered(self, network: nn.Module, random: nn.Module) -> nn.Module:
        fresh = replace(self, seed=self.seed + 1000).random_weights()
        for own, other in zip(network.parameters(), fresh.parameters(), strict=True):
            own.mul_(self.kept).add_(other, alpha=self.added)
        return network


@dataclass(frozen=True)
class Noise(Start):
    """A start that learns by heart what are no images."""

    def own_images(self) -> Images:
        images, draw = super().own_images(), torch.Generator().manual_seed(self.seed)
        pixels = gaussian_pixels(images.pixels, draw)
        return table(pixels, images.labels, f"noise like {images.source}")


@dataclass(frozen=True)
class AfterNoise(Altered):
    """To be trained on images all the same."""

    def origin(self) -> Start:
        return Noise(**vars(super().origin()))


@dataclass(frozen=True)
class Descent:
    """Training from a start on true labels, or on random ones for reference."""

    start: Start
    recipe: Recipe
    labels: str = "true"
    sample: int = 50  # images whose Jacobian is taken
    directions: int = 2  # of the sketch of the Jacobian in the weights, an image

    def sources(self) -> list[Images]:
        return [load_split(self.start.dataset, part) for part in ("train", "test")]

    def run(self) -> dict[str, float]:
        own, seed = self.start.own_images(), self.start.seed
        train_set = self.train_set(own)
        first = self.start.weights()
        last = copy.deepcopy(first)
        outcome = train(
            [last],
            [train_set],
            self.recipe,
            [seed],
            checkpoint=records.name_of(self, with_code=True),
        )[0]
        found = {"seed": seed, "diverged": outcome.diverged}
        if outcome.diverged:
            return found
        found |= {"fits": outcome.fits, "epochs": outcome.epochs}
        found |= {"train": accuracy(last, train_set)}
        test_set = as_examples(load_split(self.start.dataset, "test"), like=own)
        found |= journey(first, last, test_set)
        return found | self.complexity(last, train_set)

    def train_set(self, own: Images) -> Examples:
        true = as_examples(own, like=own)
        if self.labels == "true":
            return true
        drawn = confusion_set(own, 1, 0.0, self.start.seed)
        return true._replace(targets=drawn.labels)

    def complexity(self, network: nn.Module, train_set: Examples) -> dict[str, float]:
        """Batch norm folded, and divided by the mean margin."""
        network = folded(network)
        found = outputs(network, train_set.inputs)
        margin = margins(found, train_set.targets).mean().item()
        some = train_set.inputs[: self.sample]
        draw = torch.Generator().manual_seed(self.start.seed)
        square, _ = sketch_trace(
            network,
            some,
            found[: self.sample],
            directions=self.directions,
            generator=draw,
        )
        sizes = {
            "path norm": path_norm(network, some, 2),
            "path norm, l1": path_norm(network, some, 1),
            "input Jacobian": input_sensitivity(network, some),
            "weight Jacobian": square**0.5,
        }
        by_margin = {name: size / margin for name, size in sizes.items()}
        return {"margin": margin} | by_margin


@dataclass(frozen=True)
class LargeDescent(Descent):
    """Looked at where it was trained; without the measures of complexity."""

    def run(self) -> dict[str, float]:
        own, seed = self.start.own_images(), self.start.seed
        train_set, first = self.train_set(own), self.start.weights()
        checkpoint, last = records.name_of(self, with_code=True), copy.deepcopy(first)
        end = train([last], [train_set], self.recipe, [seed], checkpoint=checkpoint)[0]
        found = {"seed": seed, "diverged": end.diverged, "epochs": end.epochs}
        if end.diverged:
            return found
        first, last = (network.to(best_device()) for network in (first, last))
        found |= {"train": accuracy(last, train_set)}
        test_set = as_examples(load_split(self.start.dataset, "test"), like=own)
        return found | journey(first, last, test_set)


@dataclass(frozen=True)
class Floor(Descent):
    """Learns half of the test images too, with other labels than their own."""

    others: str = "wrong"  # or random, which may be right

    def run(self) -> dict[str, float]:
        own, seed = self.start.own_images(), self.start.seed
        true = self.train_set(own)
        test_set = as_examples(load_split(self.start.dataset, "test"), like=own)
        spoilt, held_out = (Examples(*(x[k::2] for x in test_set)) for k in (0, 1))
        draw = torch.Generator().manual_seed(seed)
        least = 1 if self.others == "wrong" else 0
        turn = torch.randint(least, own.classes, spoilt.targets.shape, generator=draw)
        false = spoilt._replace(targets=(spoilt.targets + turn) % own.classes)
        both = Examples(*(torch.cat(pair) for pair in zip(true, false, strict=True)))
        network, name = self.start.weights(), records.name_of(self, with_code=True)
        end = train([network], [both], self.recipe, [seed], checkpoint=name)[0]
        found = {"seed": seed, "diverged": end.diverged, "epochs": end.epochs}
        found |= {"train": accuracy(network, true), "learnt": end.accuracy}
        return found | {"test": accuracy(network, held_out)}


def as_examples(images: Images, like: Images) -> Examples:
    return Examples(images.standardised(like=like), images.labels)


def must_know(known: float, share: float, recipe: Recipe) -> None:
    if not share >= known:
        raise BookError(
            f"after {recipe.epochs} epochs only {share:.1%} of the random labels are "
            "known by heart: give `memorise` more epochs"
        )


def new_head(network: nn.Module, random: nn.Module) -> nn.Module:
    """All of the network but its last layer."""
    network[-1] = random[-1]
    return network


@torch.no_grad()
def norms_only(network: nn.Module, random: nn.Module) -> nn.Module:
    """Nothing of the network but the norm of each layer."""
    for weights, model in zip(matrices(random), matrices(network), strict=True):
        weights *= model.norm() / weights.norm()
    return random


def matrices(network: nn.Module) -> list[Tensor]:
    return [w.detach() for w in network.parameters() if w.ndim > 1]


def journey(first: nn.Module, last: nn.Module, test_set: Examples) -> dict[str, float]:
    """Where it ended, and how far from where it began."""
    before, after = (outputs(net, test_set.inputs).argmax(1) for net in (first, last))
    return {
        "test": accuracy(last, test_set),
        "agreement": (after == before).float().mean().item(),
        "moved": distance(first, last),
        "turned": angle(first, last),
    }


def distance(first: nn.Module, last: nn.Module) -> float:
    """Relative to the norm at the start."""
    pairs = zip(matrices(first), matrices(last), strict=True)
    moved = sum((new - old).square().sum() for old, new in pairs)
    size = sum(old.square().sum() for old in matrices(first))
    return (moved / size).sqrt().item()


def angle(first: nn.Module, last: nn.Module) -> float:
    """The mean over layers, in degrees."""
    pairs = zip(matrices(first), matrices(last), strict=True)
    flat = [(old.flatten(), new.flatten()) for old, new in pairs]
    cosines = [torch.cosine_similarity(*pair, dim=0) for pair in flat]
    return torch.stack(cosines).clamp(-1, 1).arccos().rad2deg().mean().item()


@dataclass(frozen=True)
class PooledStart:
    """Small networks of the two-class testbed, a seed each."""

    seeds: tuple[int, ...]
    copies: int
    dataset: str
    memorise: Recipe
    examples: int = 200
    side: int = 8  # pixels, after averaging
    network: str = "mlp"
    width: int = 100
    zeroed: float = 0.1  # share of the numbers in each copy
    known: float = 0.999

    def weights(self, sets: list[Examples]) -> list[nn.Module]:
        nets = [
            networks.build(
                self.network,
                inputs=tuple(sets[0].inputs.shape[1:]),
                outputs=1,
                width=self.width,
                seed=seed,
            )
            for seed in self.seeds
        ]
        if self.copies:
            load_or_train(self, nets, lambda: self.learn_by_heart(nets, sets))
        return nets

    def learn_by_heart(self, nets: list[nn.Module], sets: list[Examples]) -> None:
        pairs = zip(sets, self.seeds, strict=True)
        copies = [self.noisy_copies(own, seed) for own, seed in pairs]
        train(nets, copies, self.memorise, self.seeds)
        for network, noisy in zip(nets, copies, strict=True):
            must_know(self.known, accuracy(network, noisy), self.memorise)

    def noisy_copies(self, own: Examples, seed: int) -> Examples:
        draw = torch.Generator().manual_seed(seed)
        several = own.inputs.repeat(self.copies, 1)
        kept = torch.rand(several.shape, generator=draw) >= self.zeroed
        coins = torch.randint(2, (len(several),), generator=draw)
        return Examples(several * kept, 2.0 * coins - 1)

    def train_set(self, seed: int) -> Examples:
        pair = two_classes(self.dataset, "train")
        draw = torch.Generator().manual_seed(seed)
        rows = torch.randperm(len(pair.labels), generator=draw)[: self.examples]
        return self.flat(pair.only(rows))

    def test_set(self) -> Examples:
        return self.flat(two_classes(self.dataset, "test"))

    def flat(self, images: Images) -> Examples:
        pixels, signs = as_signs(images, self.dataset, self.side)
        return Examples(pixels.flatten(1), signs)


@dataclass(frozen=True)
class Pooled:
    """Training on the two-class testbed, all seeds at once."""

    start: PooledStart
    recipe: Recipe

    def sources(self) -> list[Images]:
        return [load_split(self.start.dataset, part) for part in ("train", "test")]

    def run(self) -> list[dict[str, float]]:
        seeds, test_set = self.start.seeds, self.start.test_set()
        sets = [self.start.train_set(seed) for seed in seeds]
        nets = self.start.weights(sets)
        outcomes = train(nets, sets, self.recipe, seeds)
        rows = []
        for seed, network, own, outcome in zip(
            seeds, nets, sets, outcomes, strict=True
        ):
            row = {"seed": seed, "fits": outcome.fits, "steps": outcome.steps}
            if outcome.fits:
                hessian = gram(network[:-1], own.inputs, own.targets[:, None])
                row |= {"trace": hessian.trace, "norm": hessian.frobenius}
                row |= {"test": accuracy(network, test_set)}
            rows.append(row)
        return rows


def vanilla(**changes) -> Recipe:
    """A constant rate and nothing else, until every training image is fitted."""
    batch, precision = dials.at_scale(
        quick=(50, "float32"), laptop=(64, "float32"), paper=(128, "bf16")
    )
    recipe = Recipe(rate=0.1, epochs=300, batch=batch, precision=precision)
    return replace(recipe, **changes)


def by_heart(**changes) -> Recipe:
    return vanilla(**{"stop_accuracy": 0.9999, "check_every": 2} | changes)


def most_copies() -> int:
    """Where one number of noisy copies is chosen."""
    return dials.at_scale(quick=2, laptop=5)


def starts(
    copies: int = 0, kind: str = "as it is", seeds: int | None = None, **changes
) -> list[Start]:
    """One a seed."""
    place = dials.at_scale(
        # a share of 0.1 leaves two copies of a digit alike now and then
        quick={"dataset": "digits", "network": "resnet8"}
        | {"width": 12, "examples": 150, "zeroed": 0.3},
        laptop={"dataset": "cifar10", "network": "resnet8"}
        | {"width": 16, "examples": 1000},
        paper={"dataset": "cifar10", "network": "resnet18"}
        | {"width": 64, "examples": 50_000},
    )
    options = place | {"labels": "random", "memorise": by_heart()} | changes
    seeds = seeds or dials.at_scale(quick=2, laptop=5, paper=3)
    return [Start(seed, copies, kind, **options) for seed in dials.seeds(seeds)]


def descents(
    starts: Iterable[Start], recipe: Recipe | None = None, labels: str = "true"
) -> list[Descent]:
    sample = dials.at_scale(quick=20, laptop=50)
    return [Descent(start, recipe or vanilla(), labels, sample) for start in starts]


def both_starts(recipe: Recipe) -> list[Descent]:
    """From random weights and from the adversarial start."""
    return descents(starts() + starts(most_copies()), recipe)


def counts() -> tuple[int, ...]:
    """Of noisy copies."""
    return dials.at_scale(quick=(0, 1, 2), laptop=(0, 1, 2, 5, 10))


def numbers_of_copies() -> list[Descent]:
    return [run for R in counts() for run in descents(starts(R))]


def regularised(letters: str = "", **changes) -> Recipe:
    """The same steps for all, while the rate falls tenfold twice, as in the source.

    D is augmentation, M momentum, L an ℓ2 penalty.
    """
    epochs, decay = dials.at_scale(quick=(6, 5e-3), laptop=(80, 5e-3), paper=(60, 5e-4))
    steps = {"epochs": epochs, "drops": (3 / 7, 5 / 7)}
    steps |= {"stop_accuracy": None, "check_every": 10}
    return vanilla(
        augment="D" in letters,
        momentum=0.9 if "M" in letters else 0.0,
        weight_decay=decay if "L" in letters else 0.0,
        **steps | changes,
    )


def regularisers() -> list[Descent]:
    """Every subset of the three, none included."""
    used = "", "D", "M", "L", "DM", "DL", "ML", "DML"
    return [run for letters in used for run in both_starts(regularised(letters))]


def large_step() -> list[Descent]:
    """Momentum, and without it a rate as large as momentum makes it."""
    recipes = regularised("M"), regularised(rate=1.0)
    return [run for recipe in recipes for run in both_starts(recipe)]


def rates() -> list[Descent]:
    chosen = dials.at_scale(quick=(0.02, 0.1, 2.0), laptop=(0.02, 0.1, 0.5, 2.0))
    return [run for rate in chosen for run in both_starts(vanilla(rate=rate))]


def parts() -> list[Descent]:
    """The adversarial start, taken apart; and the time that it took."""
    kinds = dials.at_scale(
        quick=("as it is", "new head", "norms only", "other images"),
        laptop=("as it is", "new head", "norms only", "other images"),
        paper=("as it is", "new head", "norms only"),  # all images are its own
    )
    altered = [start for kind in kinds for start in starts(most_copies(), kind)]
    tenfold = dials.at_scale(quick=30, laptop=150)
    long = by_heart(epochs=tenfold, stop_accuracy=None)
    return descents(starts() + altered + starts(1) + starts(1, memorise=long))


def random_labels() -> list[Descent]:
    """Random weights that fit true labels, and that fit random ones."""
    return descents(starts()) + descents(starts(), labels="random")


def numbers_of_images() -> tuple[int, ...]:
    return dials.at_scale(quick=(150, 300), laptop=(1000, 5000, 10_000, 50_000))


def all_images() -> list[Descent]:
    """One noisy copy of each image, its labels random, or true; for ever more images.

    A wider network, which learns fifty thousand random labels by heart.
    """
    wide = {"width": 32, "memorise": by_heart(batch=128, precision="bf16")}
    wide = dials.at_scale(quick={}, laptop=wide, paper={})
    few, many = dials.at_scale(quick=(2, 2), laptop=(7, 10), paper=(3, 3))
    largest = numbers_of_images()[-1]
    every = [
        start
        for n in reversed(numbers_of_images())
        for R, labels in ARMS
        for start in starts(
            R, labels=labels, seeds=many if n == largest else few, examples=n, **wide
        )
    ]
    return descents(sorted(every, key=lambda start: start.seed), nearly_all())


def nearly_all(**changes) -> Recipe:
    """Until 99.9 % of many training images are right."""
    many = {"stop_accuracy": 0.999, "check_every": 2, "batch": 128}
    many |= {"precision": "bf16"}
    return vanilla(**dials.at_scale(quick={}, laptop=many, paper={}) | changes)


ARMS = (0, "random"), (1, "random"), (1, "true")  # copies of an image, their labels


def large(
    copies: int,
    labels: str = "random",
    network: str = "resnet18",
    width: int = 64,
    examples: int = 50_000,
) -> list[LargeStart]:
    """The source's ResNet18, as wide as there, on all of CIFAR-10: for a GPU."""
    place = {"network": network, "width": width, "examples": examples}
    place |= {"memorise": by_heart(batch=128, precision="bf16")}
    place = dials.at_scale(quick={}, laptop=place)
    seeds = dials.at_scale(quick=2, laptop=3)
    found = starts(copies, seeds=seeds, labels=labels, **place)
    return [LargeStart(**vars(start)) for start in found]


def large_descents(starts: Iterable[LargeStart], **changes) -> list[LargeDescent]:
    return [LargeDescent(start, nearly_all(**changes)) for start in starts]


def source_network() -> list[LargeDescent]:
    """The source's own network, from the three starts."""
    return large_descents(start for arm in ARMS for start in large(*arm))


def second_networks() -> list[LargeDescent]:
    """Two of the source's networks, a quarter as wide."""
    places = ("vgg16", 16, 50_000), ("vgg16", 16, 10_000), ("resnet18", 16, 10_000)
    return large_descents(
        start for place in places for arm in ARMS for start in large(*arm, *place)
    )


def rates_on_all_images() -> list[LargeDescent]:
    both = [start for R in (0, 1) for start in large(R, "random", "resnet8", 32)]
    chosen = dials.at_scale(quick=(0.02, 0.1, 2.0), laptop=(0.1, 0.02, 0.5, 2.0))
    return [run for rate in chosen for run in large_descents(both, rate=rate)]


def five_copies() -> list[LargeDescent]:
    """Of up to ten thousand images, beside one copy."""
    more = (0, "random"), (1, "random"), (5, "random"), (5, "true")
    arms = dials.at_scale(quick=ARMS, laptop=more)
    counts = dials.at_scale(quick=(150,), laptop=(10_000, 5000, 1000))
    return large_descents(
        start
        for examples in counts
        for arm in arms
        for start in large(*arm, "resnet8", 32, examples)
    )


def strongly_regularised(epochs: int) -> Recipe:
    wanted = {"epochs": epochs, "weight_decay": 5e-4, "batch": 128, "precision": "bf16"}
    return replace(regularised("DML"), **dials.at_scale(quick={}, laptop=wanted))


def source_regularised() -> list[LargeDescent]:
    """All three regularisers, at full size."""
    both = large(0) + large(1)
    # what there are records of: one from the adversarial start, two from random weights
    chosen = dials.at_scale(quick=range(len(both)), laptop=(0, 2, 4), paper=range(6))
    return [LargeDescent(both[k], strongly_regularised(40)) for k in chosen]


def source_fitted() -> list[LargeDescent]:
    """Once more, until both starts fit."""
    both = large(0)[0], large(1)[0]
    return [LargeDescent(start, strongly_regularised(100)) for start in both]


def regularisers_longer() -> list[Descent]:
    """With augmentation, and without any, for as long as augmentation needs to fit."""
    epochs = dials.at_scale(quick=60, laptop=600)
    recipes = [regularised(letters, epochs=epochs) for letters in AUGMENTED]
    return [run for recipe in recipes for run in both_starts(recipe)]


AUGMENTED = "", "D", "DM", "DL", "DML"


def harm() -> list[Descent]:
    """Every mixture of the start's parts; made smaller, or disturbed; after noise."""
    adversarial = starts(most_copies())
    subsets = [some for k in range(4) for some in combinations(START_PARTS, k)]
    mixed = [Mixed(**vars(s), taken=taken) for taken in subsets for s in adversarial]
    changed = [
        Shrunk(**vars(s), kept=kept, added=added)
        for kept, added in ((0.1, 0.0), (1.0, 0.4))
        for s in adversarial
    ]
    noise = [AfterNoise(**vars(start)) for start in adversarial]
    return descents(mixed + changed + noise)


START_PARTS = "directions", "norms", "state"


def floor() -> list[Floor]:
    """Half of the test images with wrong labels, or with random ones."""
    few = starts(seeds=dials.at_scale(quick=2, laptop=3))
    both = "wrong", "random"
    return [Floor(start, vanilla(), others=others) for others in both for start in few]


def precisions() -> list[Descent]:
    recipes = vanilla(precision="float32"), vanilla(precision="bf16")
    return [run for recipe in recipes for run in descents(starts(), recipe)]


def pooled() -> list[Pooled]:
    """Both starts, over rates."""
    chosen = dials.at_scale(quick=(0.05,), laptop=(0.01, 0.02, 0.05, 0.1, 0.2))
    dataset = dials.at_scale(quick="digits", laptop="cifar10")
    seeds = tuple(start.seed for start in starts())
    square = Recipe(rate=0.05, epochs=400, batch=10, loss="square", check_every=5)
    fits = {"batch": 20, "epochs": 1000, "stop_loss": 1e-3, "check_every": 10}
    return [
        Pooled(
            PooledStart(seeds, copies, dataset, replace(square, stop_loss=5e-3)),
            replace(square, rate=rate, **fits),
        )
        for copies, rate in product((0, most_copies()), chosen)
    ]


def true_copies() -> list[Descent]:
    """The same noisy copies with their true labels: a control."""
    return descents(s for R in counts() if R for s in starts(R, labels="true"))


def networks_and_data_sets() -> list[LargeDescent]:
    """The source's networks on its data sets, from both starts; on a large GPU only."""
    if dials.read().scale != "paper":
        return []
    widths = {"vgg16": 64, "resnet18": 64, "resnet50": 64, "densenet40": 12}
    sizes = {"cifar10": 50_000, "cifar100": 50_000, "cinic10": 90_000}
    sizes |= {"restricted_imagenet": 100_000}
    places = [
        {"dataset": dataset, "network": network, "width": width, "examples": examples}
        for network, width in widths.items()
        for dataset, examples in sizes.items()
    ]
    first = [starts(R, seeds=1, **place)[0] for place in places for R in (0, 1)]
    return [LargeDescent(LargeStart(**vars(start)), vanilla()) for start in first]


SWEEPS = {
    "copies": numbers_of_copies,
    "regularisers": regularisers,
    "rates": rates,
    "parts": parts,
    "random labels": random_labels,
    "large step": large_step,
    "pooled": pooled,
    "precisions": precisions,
    "true copies": true_copies,
    "all images": all_images,
    "source's network": source_network,
    "source's network, regularised": source_regularised,
    "source's network, until it fits": source_fitted,
    "second networks": second_networks,
    "rates on all images": rates_on_all_images,
    "five copies": five_copies,
    "regularisers, longer": regularisers_longer,
    "harm": harm,
    "floor": floor,
    "networks and data sets": networks_and_data_sets,
}
