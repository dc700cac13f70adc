"""The testbed: two classes of small images, on which curvature is exact."""

from torch import Tensor
from torch.nn.functional import avg_pool2d

from helpers.images.sources import load_split
from helpers.images.table import Images

PAIRS = {"digits": (3, 8), "cifar10": (0, 1)}  # aeroplanes against automobiles


def two_classes(dataset: str, split: str) -> Images:
    """The images of the pair, whole."""
    images, (first, second) = load_split(dataset, split), PAIRS[dataset]
    return images.only((images.labels == first) | (images.labels == second))


def as_signs(some: Images, dataset: str, side: int = 8) -> tuple[Tensor, Tensor]:
    """Standardised like the pair, averaged down to `side` pixels; targets 1 and −1."""
    pixels = some.standardised(like=two_classes(dataset, "train"))
    pooled = avg_pool2d(pixels, pixels.shape[-1] // side)
    return pooled, 1 - 2 * (some.labels == PAIRS[dataset][1]).float()
