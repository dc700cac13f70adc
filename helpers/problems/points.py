"""Points to be known by heart, on subspaces of few or of many directions."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.dials import BookError

LABELS = "random", "halves"
REAL = 1_000_000  # keeps these draws apart from those of the points


class Points(NamedTuple):
    X: Tensor  # (seeds, examples, features)
    y: Tensor  # (seeds, examples), 1 or −1


def gaussian(
    seeds: Iterable[int],
    examples: int,
    features: int,
    directions: int,
    labels: str = "random",
) -> Points:
    """Gaussian points in a random subspace; their mean square length is `features`."""
    found = []
    for seed in seeds:
        draw, frame = _drawn(seed, features, directions)
        places = torch.randn(examples, directions, generator=draw, dtype=torch.float64)
        places *= (features / directions) ** 0.5
        found.append((places @ frame, _labels(places, labels, draw)))
    return Points(*map(torch.stack, zip(*found, strict=True)))


def real_labels(seeds: Iterable[int], examples: int, features: int) -> Points:
    """Gaussian points in all directions, labels anywhere between −1 and 1."""
    points = gaussian(seeds, examples, features, features)
    draws = [torch.Generator().manual_seed(seed + REAL) for seed in seeds]
    shape = {"size": (examples,), "dtype": torch.float64}
    shares = torch.stack([torch.rand(**shape, generator=draw) for draw in draws])
    return Points(points.X, 2 * shares - 1)


def evenly(
    seeds: Iterable[int], examples: int, features: int, labels: str = "random"
) -> Points:
    """On a line through zero, evenly spaced, of the same mean square length."""
    found = []
    for seed in seeds:
        draw, frame = _drawn(seed, features, 1)
        places = torch.linspace(-1, 1, examples, dtype=torch.float64)[:, None]
        places *= (features / places.square().mean()) ** 0.5
        found.append((places @ frame, _labels(places, labels, draw)))
    return Points(*map(torch.stack, zip(*found, strict=True)))


def _drawn(seed: int, features: int, directions: int) -> tuple[torch.Generator, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    square = torch.randn(features, features, generator=draw, dtype=torch.float64)
    return draw, torch.linalg.qr(square).Q[:directions]


def _labels(places: Tensor, kind: str, draw: torch.Generator) -> Tensor:
    if kind == "random":
        return 2.0 * torch.randint(2, (len(places),), generator=draw).double() - 1
    if kind == "halves":  # a plane through zero tells them apart
        shape = places.shape[1], 1
        across = torch.randn(shape, generator=draw, dtype=torch.float64)
        return (places @ across)[:, 0].sign()
    raise BookError(f"no labels {kind!r}: choose {', '.join(LABELS)}")
