"""A labelled set of images, and parts of it drawn by a seed."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from helpers.dials import BookError


class Images(NamedTuple):
    pixels: Tensor  # (images, channels, height, width), uint8
    labels: Tensor  # (images,), int64
    source: str  # what it is, in words that a caption can use
    fingerprint: str  # of every pixel and label

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    def only(self, chosen: Tensor) -> "Images":
        return table(self.pixels[chosen], self.labels[chosen], self.source)

    def standardised(self, like: "Images | None" = None) -> Tensor:
        """Floats; each channel has mean 0 and deviation 1 over the images `like`."""
        shade = (like or self).pixels.float()
        deviation, mean = torch.std_mean(shade, dim=(0, 2, 3), keepdim=True)
        return (self.pixels - mean) / deviation


def table(pixels, labels, source: str) -> Images:
    """Images from arrays or tensors, with the fingerprint of what they hold."""
    pixels = np.ascontiguousarray(pixels, np.uint8)
    labels = np.asarray(labels, np.int64)
    digest = hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()[:16]
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), source, digest)


def subset(images: Images, count: int, seed: int) -> Images:
    """As many images of each class, drawn by the seed."""
    if count > len(images.labels):
        raise BookError(
            f"{count} images are wanted, {images.source} has {len(images.labels)}: "
            "ask for fewer"
        )
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images.labels), generator=draw)
    rank = torch.zeros_like(order)
    for label in range(images.classes):
        own = images.labels[order] == label
        rank[own] = torch.arange(int(own.sum()))
    return images.only(order[rank.argsort(stable=True)][:count])
