"""One epoch at a time, whole: shuffled, augmented, relabelled; a step is a slice."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from helpers.dials import BookError
from helpers.images.corruptions import crop_and_flip, random_labels
from helpers.training.recipe import Recipe


class Examples(NamedTuple):
    inputs: Tensor  # (examples, ...), float
    targets: Tensor  # classes; or floats: (examples,) or (examples, outputs)

    def to(self, device: torch.device) -> "Examples":
        inputs = self.inputs.to(device)
        if inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return Examples(inputs, self.targets.to(device))


def steps_an_epoch(examples: Examples, recipe: Recipe) -> int:
    """The last examples that fill no batch are left to another epoch's shuffle."""
    if recipe.batch > len(examples.targets):
        raise BookError(
            f"a batch of {recipe.batch} is more than the {len(examples.targets)} "
            "examples: make it smaller"
        )
    return len(examples.targets) // recipe.batch


def epoch(examples: Examples, recipe: Recipe, seed: int, number: int) -> Examples:
    """What the epoch of that number shows, in its order.

    The same on every device, and whatever came before: a run can be taken up anywhere.
    """
    draw = Generator().manual_seed(seed * SEEDS_APART + number)
    size = len(examples.targets)
    count = steps_an_epoch(examples, recipe) * recipe.batch
    if recipe.with_replacement:
        order = torch.randint(size, (count,), generator=draw)
    else:
        order = torch.randperm(size, generator=draw)[:count]
    here = order.to(examples.targets.device)
    targets = _noisy(examples.targets[here], examples.targets, recipe, draw)
    if not recipe.augment:
        return Examples(examples.inputs[here], targets)
    pad = examples.inputs.shape[-1] // 8
    return Examples(crop_and_flip(examples.inputs, order, draw, pad), targets)


def _noisy(
    targets: Tensor, all_targets: Tensor, recipe: Recipe, draw: Generator
) -> Tensor:
    if not recipe.label_noise:
        return targets
    if targets.is_floating_point():
        noise = torch.randn(targets.shape, generator=draw)
        return targets + recipe.label_noise * noise.to(targets.device)
    classes = int(all_targets.max()) + 1
    drawn = random_labels(targets.cpu(), classes, recipe.label_noise, draw)
    return drawn.to(targets.device)


SEEDS_APART = 1_000_003  # more than any run has epochs
