"""Real images as tensors, and what is done to them before a network sees them."""

from helpers.images.corruptions import (
    confusion_set,
    crop_and_flip,
    gaussian_pixels,
    random_labels,
    random_pixels,
    shuffled_pixels,
    zeroed,
)
from helpers.images.sources import (
    cifar10,
    cifar100,
    cinic10,
    datasets,
    digits,
    load_split,
    restricted_imagenet,
)
from helpers.images.table import Images, subset, table

__all__ = [
    "Images",
    "cifar10",
    "cifar100",
    "cinic10",
    "confusion_set",
    "crop_and_flip",
    "datasets",
    "digits",
    "gaussian_pixels",
    "load_split",
    "random_labels",
    "random_pixels",
    "restricted_imagenet",
    "shuffled_pixels",
    "subset",
    "table",
    "zeroed",
]
