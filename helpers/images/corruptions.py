"""What is done to images and labels, each image with randomness of its own."""

import torch
from torch import Generator, Tensor

from helpers.dials import BookError
from helpers.images.table import Images, table


def random_labels(
    labels: Tensor, classes: int, share: float, draw: Generator
) -> Tensor:
    """Each label is replaced, with probability `share`, by one drawn from all."""
    drawn = torch.randint(classes, labels.shape, generator=draw)
    return torch.where(_coins(labels.shape, share, draw), drawn, labels)


def shuffled_pixels(pixels: Tensor, draw: Generator) -> Tensor:
    """One permutation of the positions, the same for every image."""
    flat = pixels.flatten(2)
    return flat[..., torch.randperm(flat.shape[2], generator=draw)].view_as(pixels)


def random_pixels(pixels: Tensor, draw: Generator) -> Tensor:
    """A permutation of the positions for each image."""
    flat = pixels.flatten(2)
    order = torch.rand(len(flat), 1, flat.shape[2], generator=draw).argsort(2)
    return flat.gather(2, order.expand_as(flat)).view_as(pixels)


def gaussian_pixels(pixels: Tensor, draw: Generator) -> Tensor:
    """Noise with the mean and the deviation of each channel, cut to what a pixel is."""
    deviation, mean = torch.std_mean(pixels.float(), dim=(0, 2, 3), keepdim=True)
    noise = mean + deviation * torch.randn(pixels.shape, generator=draw)
    return noise.round().clamp(0, 255).to(torch.uint8)


def zeroed(pixels: Tensor, share: float, whole: bool, draw: Generator) -> Tensor:
    """Zero the same share of every image: of its pixels, or of their components."""
    if not 0 <= share <= 1:
        raise BookError(f"a share of {share} cannot be zeroed: give 0 to 1")
    images, channels, height, width = pixels.shape
    places = height * width * (1 if whole else channels)
    rank = torch.rand(images, places, generator=draw).argsort(1).argsort(1)
    kept = (rank >= int(share * places)).view(images, -1, height, width)
    return pixels * kept


def confusion_set(
    images: Images, copies: int, share: float, seed: int, whole: bool = True
) -> Images:
    """Liu et al.'s C: `copies` of every image, part zeroed, each with a random label.

    The paper zeroes pixels (`whole`); its code zeroes components of pixels.
    """
    draw = torch.Generator().manual_seed(seed)
    several = images.pixels.repeat(copies, 1, 1, 1)
    labels = torch.randint(images.classes, (len(several),), generator=draw)
    return table(
        torch.cat([zeroed(part, share, whole, draw) for part in several.split(10_000)]),
        labels,
        f"{images.source}, {copies} noisy copies with random labels",
    )


def crop_and_flip(images: Tensor, order: Tensor, draw: Generator, pad: int) -> Tensor:
    """The images in a new order, each shifted by up to `pad` pixels and maybe mirrored.

    Those of one shift are cut out at once: there are few shifts, and many images.
    """
    height, width = images.shape[2:]
    wide = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    across = 2 * pad + 1
    kinds = torch.randint(2 * across**2, order.shape, generator=draw)
    result = torch.empty_like(images[:1]).repeat(len(order), 1, 1, 1)
    for kind, places in _alike(kinds):
        (down, right), mirrored = divmod(kind // 2, across), kind % 2
        cut = wide[:, :, down : down + height, right : right + width]
        piece = cut[order[places].to(images.device)]
        result[places.to(images.device)] = piece.flip(3) if mirrored else piece
    return result


def _alike(kinds: Tensor) -> list[tuple[int, Tensor]]:
    """The places where each kind stands."""
    found, counts = kinds.unique(return_counts=True)
    places = kinds.argsort(stable=True).split(counts.tolist())
    return list(zip(found.tolist(), places, strict=True))


def _coins(shape: torch.Size, share: float, draw: Generator) -> Tensor:
    return torch.rand(shape, generator=draw) < share
