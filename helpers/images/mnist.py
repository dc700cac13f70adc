"""MNIST, from one file that the reader has."""

import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from helpers import dials
from helpers.dials import BookError
from helpers.images.table import Images, table

FINGERPRINTS = {"train": "d18cfd466eb143ac", "test": "a0863a96c44e5666"}
UNREADABLE = OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error


def mnist(split: str) -> Images:
    """From `mnist.npz` under BOOK_DATA: arrays `x_train`, `y_train`, and `x_test`, …"""
    return _read(dials.read().data / "mnist.npz", split)


@cache
def _read(path: Path, split: str) -> Images:
    try:
        with path.open("rb") as file, np.load(file) as found:
            images = table(found[f"x_{split}"][:, None], found[f"y_{split}"], "MNIST")
    except UNREADABLE:
        what = "is not whole" if path.is_file() else "is not there"
    else:
        if images.fingerprint == FINGERPRINTS[split]:
            return images
        what = "holds other images than MNIST's"
    raise BookError(f"{path} {what}: put Keras's mnist.npz there, or set BOOK_DATA")
