"""Folders of images, decoded once into a cache that is checked against the files."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.dials import BookError
from helpers.images.table import Images, table

Listing = list[tuple[Path, int]]  # files and their labels


def listing(folder: Path, classes: Sequence[str]) -> Listing:
    """`folder/<class>/*.png` or `.jpg`; the folders must be these classes."""
    there = sorted(path.name for path in folder.glob("*") if path.is_dir())
    unknown = set(there) - set(classes)
    if unknown:
        raise BookError(
            f"{folder} holds classes of another data set ({min(unknown)}): point "
            f"BOOK_DATA to a folder whose classes are {', '.join(classes)}"
        )
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).glob("*.*g"))
    ]


def must_hold(folder: Path, found: int, wanted: int, what: str = "images") -> None:
    if found != wanted:
        raise BookError(f"{folder} holds {found} of {wanted} {what}: extract it again")


def decoded(
    folder: Path, listed: Listing, source: str, side: int | None = None
) -> Images:
    """All pixels, squared to `side` if given; the cache lies beside the folder."""
    cache = folder.with_name(f"{folder.name}{side or ''}.npz")
    files = hashlib.sha256()
    for path, _ in listed:
        files.update(f"{path.name} {path.stat().st_size}\n".encode())
    pixels = _cached(cache, files.hexdigest())
    if pixels is None:
        pixels = np.stack([_pixels(path, side) for path, _ in listed])
        draft = cache.with_suffix(f".{os.getpid()}.npz")  # one of several processes
        np.savez(draft, pixels=pixels, listing=files.hexdigest())
        draft.replace(cache)
    return table(pixels, [label for _, label in listed], source)


def _pixels(path: Path, side: int | None) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except OSError:
        raise BookError(f"{path} is no whole image: extract it again") from None
    if side:
        image = ImageOps.fit(image, (side, side))
    return np.asarray(image).transpose(2, 0, 1)


def _cached(cache: Path, listing: str) -> np.ndarray | None:
    """The decoded pixels, if the cache is whole and of these very files."""
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["pixels"] if stored["listing"] == listing else None
    except Exception:  # absent, cut short, or not ours: decoded anew
        return None
