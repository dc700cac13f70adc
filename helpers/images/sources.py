"""Where images come from: embedded, downloaded, or in folders that the reader has."""

from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from helpers import dials
from helpers.dials import BookError
from helpers.images import folders
from helpers.images.table import Images, table

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SIZES = {"train": 50_000, "test": 10_000}
CINIC_SIZE = 90_000  # of each split
RESTRICTED_IMAGENET = {
    "dog": range(151, 269),
    "cat": range(281, 286),
    "frog": range(30, 33),
    "turtle": range(33, 38),
    "bird": range(80, 101),
    "primate": range(365, 383),
    "fish": range(389, 398),
    "crab": range(118, 122),
    "insect": range(300, 320),
}


def digits(split: str) -> Images:
    """1797 images of 8×8 pixels that scikit-learn ships; the last 360 are the test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    part = slice(None, -360) if split == "train" else slice(-360, None)
    pixels = (found.images[part] * 255 / 16).round().astype(np.uint8)
    return table(pixels[:, None], found.target[part], "digits (scikit-learn)")


def cifar10(split: str) -> Images:
    """From torchvision's layout, or a folder of images, or else the network.

    Under BOOK_DATA: `cifar-10-batches-py/` is the original, checked by torchvision;
    `cifar10/<split>/<class>/` holds a mirror's PNG or JPEG files.
    """
    data = dials.read().data
    mirror = data / "cifar10" / split
    if not (data / "cifar-10-batches-py").is_dir() and mirror.is_dir():
        listed = folders.listing(mirror, CLASSES)
        folders.must_hold(mirror, len(listed), SIZES[split])
        kind = "JPEG" if listed[0][0].suffix.startswith(".j") else "PNG"
        return folders.decoded(mirror, listed, f"CIFAR-10 ({kind} mirror)")
    return _from_torchvision("CIFAR10", "CIFAR-10", "cifar-10-batches-py", split)


def cifar100(split: str) -> Images:
    """From torchvision's layout (`cifar-100-python/` in BOOK_DATA) or the network."""
    return _from_torchvision("CIFAR100", "CIFAR-100", "cifar-100-python", split)


def cinic10(split: str) -> Images:
    """From the folder `cinic-10/<split>/<class>/` under BOOK_DATA."""
    root = dials.read().data / "cinic-10" / split
    listed = folders.listing(root, CLASSES)
    folders.must_hold(root, len(listed), CINIC_SIZE)
    return folders.decoded(root, listed, "CINIC-10")


def restricted_imagenet(split: str, side: int = 64) -> Images:
    """Nine groups of ImageNet's classes, from `imagenet/<split>/<synset>/`.

    The thousand folders in the order of their names are ImageNet's classes 0 to 999.
    """
    root = dials.read().data / "imagenet" / split
    synsets = sorted(path.name for path in root.glob("n*") if path.is_dir())
    folders.must_hold(root, len(synsets), 1000, "class folders")
    listed = [
        (path, group)
        for group, members in enumerate(RESTRICTED_IMAGENET.values())
        for synset in (synsets[k] for k in members)
        for path in sorted((root / synset).glob("*.JPEG"))
    ]
    name = f"Restricted ImageNet ({side}×{side})"
    return folders.decoded(root, listed, name, side)


def load_split(name: str, split: str) -> Images:
    """The data set of that name, read once."""
    if name not in SOURCES:
        raise BookError(f"no data set {name!r}: choose {', '.join(SOURCES)}")
    return _loaded(name, split, dials.read().data)


@cache
def _loaded(name: str, split: str, folder: Path) -> Images:
    return SOURCES[name](split)


SOURCES = {
    "digits": digits,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "cinic10": cinic10,
    "restricted_imagenet": restricted_imagenet,
}


def _from_torchvision(kind: str, name: str, folder: str, split: str) -> Images:
    data = dials.read().data
    try:
        found = getattr(datasets(), kind)(data, train=split == "train", download=True)
    except (OSError, RuntimeError, ValueError, EOFError):
        also = " or cifar10/train/<class>/*.jpg" if kind == "CIFAR10" else ""
        raise BookError(
            f"{name} is neither whole under {data} nor to be had from the network: "
            f"put {folder}/{also} there, or set BOOK_DATA"
        ) from None
    return table(found.data.transpose(0, 3, 1, 2), found.targets, name)


def datasets() -> ModuleType:
    """`torchvision.datasets`, also where torchvision's compiled operators cannot load.

    A torchvision built for CUDA beside a torch built for the CPU fails on import, as it
    looks for operators that its library would have defined. Their names are enough.
    """
    try:
        from torchvision import datasets
    except RuntimeError:
        for name in "nms", "qnms":
            _OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float t) -> Tensor")
        from torchvision import datasets
    return datasets


_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")  # gone if collected
