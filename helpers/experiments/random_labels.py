"""Networks that fit whatever they are told: true labels, drawn ones, mere noise.

What makes a training set easy is taken away, one thing at a time: the labels, the
order of the pixels, the image. What is asked is how long it takes to fit the rest, and
what is known of images not seen.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import torch
from torch import Generator, Tensor, nn

from helpers import dials, networks
from helpers.dials import BookError
from helpers.experiments.bad_minima import norms_only
from helpers.images import corruptions
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.training.epochs import Examples
from helpers.training.loop import Run, accuracy, outputs
from helpers.training.recipe import Recipe, correct

INPUTS = "true", "shuffled", "random pixels", "gaussian"


@dataclass(frozen=True)
class Task:
    """Images and labels, some of their sense taken away."""

    seed: int
    dataset: str
    examples: int
    inputs: str = "true"  # or shuffled, random pixels (an order each), gaussian
    corrupted: float = 0.0  # share of the labels that are drawn anew, once for all
    side: int = 28  # of the middle that is kept of each image
    skipped: int = 0  # images of the seed's order that are left to others
    test_draw: int = 500_000  # from the seed to that of what is drawn for test images

    def train_set(self) -> Examples:
        several = subset(self.part("train"), self.skipped + self.examples, self.seed)
        own = several.only(torch.arange(self.skipped, len(several.labels)))
        labels = corruptions.random_labels(
            own.labels,
            own.classes,
            self.corrupted,
            Generator().manual_seed(self.seed),
        )
        return Examples(self.seen(own.pixels, self.seed), labels)

    def test_set(self) -> Examples:
        """With its true labels; one permutation of pixels is that of training."""
        test = self.part("test")
        again = self.seed if self.inputs == "shuffled" else self.seed + self.test_draw
        return Examples(self.seen(test.pixels, again), test.labels)

    def part(self, name: str) -> Images:
        return load_split(self.dataset, name)

    def seen(self, pixels: Tensor, seed: int) -> Tensor:
        """The middle of each image, changed; its numbers have mean 0, deviation 1."""
        if self.inputs not in INPUTS:
            raise BookError(f"no inputs {self.inputs!r}: choose {', '.join(INPUTS)}")
        draw = Generator().manual_seed(seed)
        if self.inputs == "gaussian":
            pixels = corruptions.gaussian_pixels(pixels, draw)
        edge = (pixels.shape[-1] - self.side) // 2
        middle = pixels[..., edge : edge + self.side, edge : edge + self.side]
        if self.inputs == "shuffled":
            middle = corruptions.shuffled_pixels(middle, draw)
        if self.inputs == "random pixels":
            middle = corruptions.random_pixels(middle, draw)
        middle = middle.float()
        deviation, mean = torch.std_mean(middle, dim=(1, 2, 3), keepdim=True)
        return (middle - mean) / deviation


def built(name: str, width: int, like: Examples, classes: int, seed: int) -> nn.Module:
    how = {"inputs": tuple(like.inputs.shape[1:]), "outputs": classes}
    how |= {"width": width, "seed": seed}
    match name:
        case "inception":
            return networks.small_inception(**how)
        case "1 hidden layer":
            return networks.fully_connected(1, **how)
        case "3 hidden layers":
            return networks.fully_connected(3, **how)
        case "resnet8, no norm":
            return networks.build("resnet8", norm="none", **how)
    return networks.build(name, **how)


def watched(
    network: nn.Module,
    train_set: Examples,
    recipe: Recipe,
    seed: int,
    look: Callable[[nn.Module], dict] | None = None,
) -> tuple[bool, list[dict]]:
    """Whether it came to fit, and what was seen of it after each epoch."""
    run = Run([network], [train_set], recipe, [seed])
    history = []
    while not run.finished():
        run.epoch()
        end = run.outcomes[0]
        row = {"epoch": end.epochs, "accuracy": end.accuracy, "loss": end.loss}
        if look:
            row |= look(run.ensemble.networks()[0])
            run.ensemble.train()
        history.append(row)
    return run.finish()[0].fits, history


def reached(history: list[dict], share: float) -> float:
    """Epochs until so much is known, between two epochs on a straight line."""
    before = 0.0, 0.0
    for row in history:
        now = row["epoch"], row["accuracy"]
        if now[1] >= share:
            return before[0] + (share - before[1]) / (now[1] - before[1]) * (
                now[0] - before[0]
            )
        before = now
    return float("nan")


@dataclass(frozen=True)
class Fit:
    """A network trained on a task, at a constant rate, until it fits."""

    task: Task
    network: str
    width: int
    recipe: Recipe
    dropout: float = 0.0  # before the last layer
    known: float = 0.99  # when it is said to know its images

    def sources(self) -> list[Images]:
        return [self.task.part(name) for name in ("train", "test")]

    def run(self) -> dict:
        task = self.task
        train_set, test_set = task.train_set(), task.test_set()
        classes = task.part("train").classes
        network = built(self.network, self.width, train_set, classes, task.seed)
        if self.dropout:
            *body, head = network
            network = nn.Sequential(*body, nn.Dropout(self.dropout), head)
        fits, history = watched(network, train_set, self.recipe, task.seed)
        draw = Generator().manual_seed(task.seed + task.test_draw)
        labels = test_set.targets
        told = corruptions.random_labels(labels, classes, task.corrupted, draw)
        found = outputs(network, test_set.inputs).argmax(1)
        return {
            "seed": task.seed,
            "fits": fits,
            "weights": networks.parameters(network),
            "epochs": len(history),
            "until": reached(history, self.known),
            "train": accuracy(network, train_set),
            "test": (found == labels).float().mean().item(),
            "test, corrupted": (found == told).float().mean().item(),
            "losses": [row["loss"] for row in history],
            "accuracies": [row["accuracy"] for row in history],
        }


@dataclass(frozen=True)
class Transfer:
    """Random labels are learnt by heart, then true ones, on these images or others."""

    task: Task
    network: str
    width: int
    before: Recipe | None  # how the random labels are learnt; None: they are not
    recipe: Recipe
    images: str = "others"  # those of the random labels: others, or these
    kept: str = "all"  # of what was learnt; or norms only, directions only
    sample: int = 2000  # test images looked at after each epoch
    known: float = 0.99

    def sources(self) -> list[Images]:
        return [self.task.part(name) for name in ("train", "test")]

    def run(self) -> dict:
        task = self.task
        train_set, test_set = task.train_set(), task.test_set()
        network, memorised = self.start(train_set)
        draw = Generator().manual_seed(task.seed)
        rows = torch.randperm(len(test_set.targets), generator=draw)[: self.sample]
        some = Examples(*(part[rows] for part in test_set))
        first = accuracy(network, some)
        fits, history = watched(
            network,
            train_set,
            self.recipe,
            task.seed,
            lambda network: {"test": accuracy(network, some)},
        )
        return {
            "seed": task.seed,
            "fits": fits,
            "memorised": memorised,
            "epochs": len(history),
            "until": reached(history, self.known),
            "train": accuracy(network, train_set),
            "test": accuracy(network, test_set),
            "accuracies": [row["accuracy"] for row in history],
            "tests": [first, *(row["test"] for row in history)],
        }

    def start(self, train_set: Examples) -> tuple[nn.Module, float]:
        """And the share of the random labels that it knows."""
        task, classes = self.task, self.task.part("train").classes
        how = self.network, self.width, train_set, classes, task.seed
        network = built(*how)
        if self.before is None:
            return network, 0.0
        skipped = task.examples if self.images == "others" else 0
        told = replace(task, corrupted=1.0, skipped=skipped).train_set()
        watched(network, told, self.before, task.seed)
        memorised = accuracy(network, told)
        fresh = built(*how)
        match self.kept:
            case "all":
                return network, memorised
            case "norms only":
                return norms_only(network, fresh), memorised
            case "directions only":
                return norms_only(fresh, network), memorised
        raise BookError(f"nothing is kept as {self.kept!r}: see Transfer.start")


@dataclass(frozen=True)
class LearntFirst:
    """Several networks on one task: do they learn the same examples first?"""

    task: Task
    network: str
    width: int
    recipe: Recipe
    count: int  # of networks, which differ in their weights and their batches

    def sources(self) -> list[Images]:
        return [self.task.part("train")]

    def run(self) -> list[dict]:
        train_set, classes = self.task.train_set(), self.task.part("train").classes
        right = []  # by network: after each epoch, which examples
        for number in range(self.count):
            seed = self.task.seed * self.count + number
            network = built(self.network, self.width, train_set, classes, seed)
            seen: list[Tensor] = []

            def look(network: nn.Module, seen: list[Tensor] = seen) -> dict:
                found = outputs(network, train_set.inputs)
                seen.append(correct(found[None], train_set.targets[None])[0])
                return {}

            watched(network, train_set, self.recipe, seed, look)
            right.append(seen)
        return [
            {"seed": self.task.seed, "epoch": epoch + 1} | agreement(list(now))
            for epoch, now in enumerate(zip(*right, strict=True))
        ]


def agreement(right: list[Tensor]) -> dict[str, float]:
    """Of networks about which examples are learnt; 0 by chance, 1 where they are alike.

    Cohen's kappa over pairs; and the variance over examples of the share of networks
    that know one, as a multiple of what it is if all examples are equally hard.
    """
    known = torch.stack(right).double()
    shares = known.mean(1)
    kappas = []
    for one, other in combinations(range(len(known)), 2):
        p, q = shares[one], shares[other]
        chance = p * q + (1 - p) * (1 - q)
        alike = (known[one] == known[other]).double().mean()
        kappas.append(((alike - chance) / (1 - chance)).item() if chance < 1 else 1.0)
    by_chance = (shares * (1 - shares)).sum() / len(known) ** 2
    spread = known.mean(0).var(unbiased=False)
    return {
        "accuracy": shares.mean().item(),
        "kappa": sum(kappas) / len(kappas),
        "excess": (spread / by_chance).item() if by_chance else float("nan"),
    }


def task(seed: int, examples: int | None = None, **changes) -> Task:
    dataset, usual, side = dials.at_scale(
        quick=("digits", 100, 8), laptop=("cifar10", 5000, 28)
    )
    return Task(seed, dataset, examples or usual, side=side, **changes)


def recipe(network: str, **changes) -> Recipe:
    """A constant rate and nothing else, until every training image is right."""
    batch, epochs, precision = dials.at_scale(
        quick=(20, 60, "float32"), laptop=(128, 300, "bf16")
    )
    fast = dials.at_scale(quick=5, laptop=1)
    rate, momentum = (0.1, 0.0) if network == CNN else (0.01 * fast, 0.9)
    usual = Recipe(rate, epochs, batch, momentum, precision=precision)
    return replace(usual, **changes)


def fits(
    network: str,
    tasks: dict,
    examples: int | None = None,
    seeds: int = 3,
    width: int | None = None,
    dropout: float = 0.0,
    **changes,
) -> list[Fit]:
    """A run a seed; `tasks` changes the task, and all else the recipe."""
    width = width or dials.at_scale(**WIDTHS[network])
    seeds = dials.seeds(dials.at_scale(quick=2, laptop=seeds))
    tasks = [task(seed, examples, **tasks) for seed in seeds]
    how = recipe(network, **changes)
    return [Fit(one, network, width, how, dropout) for one in tasks]


MLP, CNN = "1 hidden layer", "resnet8"
WIDTHS = {
    MLP: {"quick": 64, "laptop": 512},
    CNN: {"quick": 4, "laptop": 32},
    "3 hidden layers": {"quick": 64, "laptop": 512},
    "inception": {"quick": 12, "laptop": 24, "paper": 96},
    "vgg16": {"quick": 4, "laptop": 16, "paper": 64},
}
SEEDS = {MLP: 5, CNN: 3}
TASKS = {"corrupted": 0.0}, {"corrupted": 1.0}, *({"inputs": k} for k in INPUTS[1:])


def labels_and_pixels(network: str) -> list[Fit]:
    """Five training sets, each with something taken away."""
    how = {"seeds": SEEDS[network], "epochs": dials.at_scale(quick=20, laptop=300)}
    every = [run for some in TASKS for run in fits(network, some, **how)]
    return sorted(every, key=lambda run: run.task.seed)


def shares() -> tuple[float, ...]:
    """Of corrupted labels, between none and all."""
    return dials.at_scale(quick=(0.5,), laptop=(0.2, 0.4, 0.6, 0.8))


def corrupted_labels(network: str) -> list[Fit]:
    return [
        run
        for share in shares()
        for run in fits(network, {"corrupted": share}, seeds=SEEDS[network])
    ]


def corrupted_noise() -> list[Fit]:
    """Where there is no image, no label is wrong."""
    return [
        run
        for share in (*shares(), 1.0)
        for run in fits(MLP, {"inputs": "gaussian", "corrupted": share}, seeds=5)
    ]


def too_narrow() -> list[Fit]:
    """Eight hidden units: more weights than images, and too few units."""
    epochs, width = dials.at_scale(quick=(10, 2), laptop=(30, 8))
    how = {"width": width, "epochs": epochs, "check_every": epochs}
    few = [run for some in TASKS for run in fits(MLP, some, seeds=5, **how)]
    return few + fits(MLP, {"corrupted": 1.0}, sizes()[-1], seeds=5, **how)


def sizes() -> tuple[int, ...]:
    """Numbers of images, apart from the usual one."""
    return dials.at_scale(quick=(50, 200), laptop=(1000, 2000, 10_000))


def numbers_of_images(network: str, inputs: str = "true") -> list[Fit]:
    every = SEEDS[network]
    return [
        run
        for count in sizes()
        for share in (0.0, 1.0)
        for run in fits(network, {"inputs": inputs, "corrupted": share}, count, every)
    ]


def numbers_of_other_images(inputs: str) -> list[Fit]:
    """The fewest and the most."""
    ends = sizes()[0], sizes()[-1]
    others = numbers_of_images(MLP, inputs)
    return [run for run in others if run.task.examples in ends]


def all_images() -> list[Fit]:
    """All fifty thousand, once."""
    kinds = dials.at_scale(quick=(MLP, CNN), laptop=(MLP, CNN, "3 hidden layers"))
    return with_all_images(kinds, dials.at_scale(quick=2, laptop=1))


def all_images_more() -> list[Fit]:
    """More networks, and two seeds more; at `paper` the source's, as wide as there."""
    kinds = dials.at_scale(
        quick=(), laptop=WIDTHS, paper=("inception", MLP, "3 hidden layers")
    )
    known = set(all_images())
    return [run for run in with_all_images(kinds, 3) if run not in known]


def with_all_images(kinds: Iterable[str], seeds: int) -> list[Fit]:
    count, epochs = dials.at_scale(quick=(200, 60), laptop=(50_000, 200))
    nearly = {"stop_accuracy": 0.999, "epochs": epochs}
    every = [
        run
        for net in kinds
        for share in (0.0, 1.0)
        for run in fits(net, {"corrupted": share}, count, seeds, **nearly)
    ]
    return sorted(every, key=lambda run: run.task.seed)


def convolutional() -> list[Fit]:
    """The CNN over shares of random labels, and over numbers of images."""
    return corrupted_labels(CNN) + numbers_of_images(CNN)


def source_networks() -> list[Fit]:
    """Narrow ones of the source, and its deeper MLP, on five thousand images."""
    kinds = dials.at_scale(
        quick=("3 hidden layers",), laptop=("3 hidden layers", "inception", "vgg16")
    )
    return [
        run
        for net in kinds
        for share in (0.0, 1.0)
        for run in fits(net, {"corrupted": share})
    ]


def regularisers(chosen: dict[str, dict]) -> list[Fit]:
    """Each by itself, on random labels and on true ones, until 99 % are known."""
    count, epochs = dials.at_scale(quick=(100, 20), laptop=(2000, 100))
    until = {"stop_accuracy": 0.99, "epochs": epochs}
    return [
        run
        for name, how in chosen.items()
        for share in (1.0, 0.0)
        if share or "decay" not in name or name == "decay"
        for run in fits(MLP, {"corrupted": share}, count, **until | how)
    ]


REGULARISERS = {
    "nothing": {},
    "decay": {"weight_decay": 5e-4},
    "dropout": {"dropout": 0.5},
    "a hundred times the decay": {"weight_decay": 5e-2},
    "too much decay": {"weight_decay": 0.2},
}


def pre_training() -> list[Transfer]:
    """From random weights, after random labels, and that changed in one thing."""
    arms = (
        {"before": False},
        {},
        {"kept": "norms only"},
        {"kept": "directions only"},
        {"images": "these"},
        {"epochs": 3, "stop_accuracy": None, "check_every": 3},
    )
    return [run for arm in arms for run in transfers(MLP, **arm)]


def pre_training_cnn() -> list[Transfer]:
    """As small a CNN, and as few images, as in the chapter on bad minima."""
    parts = "norms only", "directions only"
    arms = {"before": False}, {}, *({"kept": part} for part in parts)
    return [run for arm in arms for run in transfers(CNN, **arm)]


def transfers(
    network: str,
    before: bool = True,
    images: str = "others",
    kept: str = "all",
    **changes,
) -> list[Transfer]:
    """`changes` are those of the recipe by which random labels are learnt."""
    count, sample = dials.at_scale(quick=(60, 100), laptop=(1000, 2000))
    narrow = dials.at_scale(quick=4, laptop=16)
    width = narrow if network == CNN else dials.at_scale(**WIDTHS[network])
    then = recipe(network, epochs=dials.at_scale(quick=20, laptop=300))
    how = replace(then, **changes) if before else None
    seeds = dials.seeds(dials.at_scale(quick=2, laptop=5))
    return [
        Transfer(task(seed, count), network, width, how, then, images, kept, sample)
        for seed in seeds
    ]


def learnt_first() -> list[LearntFirst]:
    """True labels, random ones; and random ones on images without any order."""
    count, epochs, nets = dials.at_scale(quick=(100, 5, 3), laptop=(2000, 8, 6))
    width = dials.at_scale(**WIDTHS[MLP])
    how = recipe(MLP, epochs=epochs, stop_accuracy=None, check_every=epochs)
    kinds = (0.0, "true"), (1.0, "true"), (1.0, "random pixels"), (1.0, "gaussian")
    return [
        LearntFirst(
            task(seed, count, corrupted=share, inputs=inputs), MLP, width, how, nets
        )
        for share, inputs in kinds
        for seed in dials.seeds(dials.at_scale(quick=2, laptop=5))
    ]


SWEEPS = {
    "labels and pixels, MLP": partial(labels_and_pixels, MLP),
    "corrupted labels, MLP": partial(corrupted_labels, MLP),
    "corrupted noise": corrupted_noise,
    "too narrow": too_narrow,
    "pre-training, MLP": pre_training,
    "pre-training, CNN": pre_training_cnn,
    "learnt first": learnt_first,
    "numbers of images, MLP": partial(numbers_of_images, MLP),
    "numbers of noise images": partial(numbers_of_other_images, "gaussian"),
    "numbers of permuted images": partial(numbers_of_other_images, "random pixels"),
    "labels and pixels, CNN": partial(labels_and_pixels, CNN),
    "regularisers": partial(regularisers, REGULARISERS),
    "augmentation": partial(
        regularisers, {"augmentation": {"augment": True, "epochs": 700}}
    ),
    "convolutional": convolutional,
    "source's networks": source_networks,
    "all images": all_images,
    "all images, more": all_images_more,
}
