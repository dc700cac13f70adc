"""MNIST, from one file that the reader has."""

from functools import cache
from pathlib import Path

import numpy as np

from helpers import dials
from helpers.dials import BookError
from helpers.images.table import Images, table


def mnist(split: str) -> Images:
    """From `mnist.npz` under BOOK_DATA: arrays `x_train`, `y_train`, and `x_test`, …"""
    return _read(dials.read().data / "mnist.npz", split)


@cache
def _read(path: Path, split: str) -> Images:
    try:
        with np.load(path) as found:
            pixels, labels = found[f"x_{split}"], found[f"y_{split}"]
    except (OSError, ValueError, KeyError):
        raise BookError(
            f"{path} is not there or not whole: put Keras's mnist.npz there, or set "
            "BOOK_DATA"
        ) from None
    return table(pixels[:, None], labels, "MNIST")
