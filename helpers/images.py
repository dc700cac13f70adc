"""Real images as tensors: scikit-learn's digits (embedded) and CIFAR-10."""

import hashlib
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from helpers import dials
from helpers.dials import BookError

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SIZES = {"train": 50_000, "test": 10_000}


class Images(NamedTuple):
    pixels: Tensor  # (images, channels, height, width), uint8
    labels: Tensor  # (images,), int64
    source: str  # what it is, in words that a caption can use
    fingerprint: str  # of every pixel and label


def digits(split: str) -> Images:
    """1797 images of 8×8 pixels that scikit-learn ships; the last 360 are the test."""
    from sklearn.datasets import load_digits

    table = load_digits()
    part = slice(None, -360) if split == "train" else slice(-360, None)
    pixels = (table.images[part] * 255 / 16).round().astype(np.uint8)
    return _images(pixels[:, None], table.target[part], "digits (scikit-learn)")


def cifar10(split: str) -> Images:
    """From torchvision's layout, or a folder of images, or else the network.

    Under BOOK_DATA: `cifar-10-batches-py/` is the original, checked by torchvision;
    `cifar10/<split>/<class>/` holds a mirror's PNG or JPEG files.
    """
    data = dials.read().data
    mirror = data / "cifar10" / split
    if not (data / "cifar-10-batches-py").is_dir() and mirror.is_dir():
        return _from_folder(mirror, SIZES[split])
    try:
        found = datasets().CIFAR10(data, train=split == "train", download=True)
    except (OSError, RuntimeError, ValueError, EOFError):
        raise BookError(
            f"CIFAR-10 is neither whole under {data} nor to be had from the network: "
            "put cifar-10-batches-py/ or cifar10/train/<class>/*.jpg there, or set "
            "BOOK_DATA"
        ) from None
    return _images(found.data.transpose(0, 3, 1, 2), found.targets, "CIFAR-10")


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


def _from_folder(folder: Path, expected: int) -> Images:
    """Decoded once, into a cache that is checked against the files it was made from."""
    files = [path for name in CLASSES for path in sorted((folder / name).glob("*.*g"))]
    if len(files) != expected:
        raise BookError(
            f"{folder} holds {len(files)} of {expected} images: extract it again"
        )
    kind = "JPEG mirror" if files[0].suffix.startswith(".j") else "PNG mirror"
    cache = folder.with_name(f"{folder.name}.npz")
    listing = hashlib.sha256()
    for path in files:
        listing.update(f"{path.name} {path.stat().st_size}\n".encode())
    stored = _cached(cache, listing.hexdigest())
    if stored is None:
        from PIL import Image

        pixels = np.stack([np.asarray(Image.open(path)) for path in files])
        stored = pixels.transpose(0, 3, 1, 2)
        draft = cache.with_suffix(".part.npz")
        np.savez(draft, pixels=stored, listing=listing.hexdigest())
        draft.replace(cache)
    labels = [CLASSES.index(path.parent.name) for path in files]
    return _images(stored, labels, f"CIFAR-10 ({kind})")


def _cached(cache: Path, listing: str) -> np.ndarray | None:
    """The decoded pixels, if the cache is whole and of these very files."""
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["pixels"] if stored["listing"] == listing else None
    except Exception:  # absent, cut short, or not ours: decoded anew
        return None


def _images(pixels: np.ndarray, labels, source: str) -> Images:
    pixels, labels = np.ascontiguousarray(pixels), np.asarray(labels, np.int64)
    digest = hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()[:16]
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), source, digest)
