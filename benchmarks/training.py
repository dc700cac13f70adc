"""Training a network on images, against the DataLoader loop that one would write."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from helpers import networks
from helpers.images import sources
from helpers.images.table import table
from helpers.training.epochs import Examples, epoch
from helpers.training.loop import Run
from helpers.training.recipe import Recipe

SIZE, BATCH = 512, 64
NETWORKS = {"resnet8": 16, "vgg6": 32, "resnet18": 16}
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.262)


class Pictures(Dataset):
    """As torchvision's CIFAR10: an array in memory, transformed image by image."""

    def __init__(self, pixels: np.ndarray, labels: list[int]):
        sources.datasets()  # torchvision imports
        from torchvision import transforms

        self.pixels, self.labels = pixels, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, DEVIATION),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int):
        return self.transform(Image.fromarray(self.pixels[place])), self.labels[place]


def rows() -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    """One epoch of a synthetic stand-in for CIFAR-10, cropped and mirrored."""
    noise = np.random.default_rng(0)
    pixels = noise.integers(256, size=(SIZE, 32, 32, 3), dtype=np.uint8)
    labels = (np.arange(SIZE) % 10).tolist()
    loader = DataLoader(Pictures(pixels, labels), BATCH, shuffle=True)
    pictures = table(pixels.transpose(0, 3, 1, 2), labels, "noise")
    examples = Examples(pictures.standardised(), pictures.labels)
    recipe = Recipe(0.1, 1000, BATCH, momentum=0.9, augment=True, precision="bf16",
                    stop_accuracy=None, check_every=1000)  # fmt: skip
    found = []
    for name, width in NETWORKS.items():
        theirs, own = (networks.build(name, width=width) for _ in range(2))
        peer = partial(plain_epoch, theirs, loader)
        run = Run([own], [examples], recipe, [0])
        found.append((f"{name} (width {width}): DataLoader loop", peer, run.epoch))
    return found


def plain_epoch(network: nn.Module, loader: DataLoader) -> None:
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for inputs, targets in loader:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(inputs), targets).backward()
        optimiser.step()


def data_share() -> float:
    """Of an epoch's processor time, what goes into shuffling and augmenting it."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(SIZE, 3, 32, 32, generator=draw)
    examples = Examples(inputs, torch.arange(SIZE) % 10)
    recipe = Recipe(0.1, 1000, BATCH, augment=True, precision="bf16",
                    stop_accuracy=None, check_every=1000)  # fmt: skip
    run = Run([networks.build("resnet18", width=16)], [examples], recipe, [0])
    run.epoch()
    whole = _seconds(run.epoch)
    return _seconds(lambda: epoch(run.examples[0], recipe, 0, 1)) / whole


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
