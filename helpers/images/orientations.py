"""Features of images made by hand: how the shade changes, and which way."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

DIRECTIONS = (0, 1), (1, 0), (1, 1), (1, -1)


def orientations(pixels: Tensor) -> Tensor:
    """By how much it rises in each of eight directions, averaged twice, as a root.

    (images, channels, height, width) become (images, features).
    """
    shade = pad(pixels.double(), (1, 1, 1, 1))
    slopes = [
        shade.roll((-down, -right), (2, 3)) - shade.roll((down, right), (2, 3))
        for down, right in DIRECTIONS
    ]
    rises = torch.cat([sign * slope for slope in slopes for sign in (1, -1)], dim=1)
    inside = rises[..., 1:-1, 1:-1].clamp_min(0)
    around = avg_pool2d(inside, 3, stride=1, padding=1).sqrt()
    return avg_pool2d(around, 2).flatten(1)
