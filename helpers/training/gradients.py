"""What a step descends, where it is not the recipe's loss on the batch as it is.

Each is a function of the ensemble, a batch, its targets and the recipe that leaves its
gradient in the weights; `train(..., gradient=...)` takes it.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from helpers.training.ensemble import BatchedMLP, Ensemble
from helpers.training.recipe import Recipe

Gradient = Callable[[Ensemble, Tensor, Tensor, Recipe], None]


def loss_gradient(
    networks: Ensemble, inputs: Tensor, targets: Tensor, recipe: Recipe
) -> None:
    recipe.losses(networks(inputs), targets).sum().backward()


def sharpness_aware(radius: float) -> Gradient:
    """SAM: the gradient at the end of a step of length `radius` uphill."""

    def gradient(
        networks: Ensemble, inputs: Tensor, targets: Tensor, recipe: Recipe
    ) -> None:
        weights = list(networks.parameters())
        loss_gradient(networks, inputs, targets, recipe)
        uphill = [w.grad for w in weights]
        uphill = resized(networks, uphill, radius / norms(networks, uphill))
        with torch.no_grad():
            torch._foreach_add_(weights, uphill)
        for w in weights:
            w.grad = None
        loss_gradient(networks, inputs, targets, recipe)
        with torch.no_grad():
            torch._foreach_sub_(weights, uphill)

    return gradient


def turned_noise(noise: float) -> Gradient:
    """The clean gradient, and the kick of label noise turned in a random direction.

    The kick has the length that noise of that deviation on these targets gives it.
    """

    def gradient(
        networks: Ensemble, inputs: Tensor, targets: Tensor, recipe: Recipe
    ) -> None:
        weights = list(networks.parameters())
        outputs = networks(inputs)
        signal = noise * torch.randn_like(outputs) * outputs / len(targets[0])
        kick = torch.autograd.grad(signal.sum(), weights, retain_graph=True)
        recipe.losses(outputs, targets).sum().backward()
        turned = [torch.randn_like(w) for w in weights]
        ratio = norms(networks, kick) / norms(networks, turned)
        for w, z in zip(weights, resized(networks, turned, ratio), strict=True):
            w.grad += z

    return gradient


def penalised(strength: float) -> Gradient:
    """Of L + strength · tr(JᵀJ)/n, for the square loss: no noise, the flatness itself.

    The trace is ‖Jᵀe‖²/n with random signs e: exact on average.
    """

    def gradient(
        networks: Ensemble, inputs: Tensor, targets: Tensor, recipe: Recipe
    ) -> None:
        weights = list(networks.parameters())
        outputs = networks(inputs)
        signs = torch.randint_like(outputs, 2) * 2 - 1
        kick = torch.autograd.grad((signs * outputs).sum(), weights, create_graph=True)
        trace = sum(g.square().sum() for g in kick) / targets.shape[1]
        (recipe.losses(outputs, targets).sum() + strength * trace).backward()

    return gradient


def flipped(share: float) -> Gradient:
    """The logistic loss of targets ±1; a share of them, drawn anew, is told wrongly."""

    def gradient(
        networks: Ensemble, inputs: Tensor, targets: Tensor, recipe: Recipe
    ) -> None:
        labels = torch.where(torch.rand_like(targets) < share, -targets, targets)
        softplus(-labels * networks(inputs)).mean(1).sum().backward()

    return gradient


def norms(networks: Ensemble, parts: Sequence[Tensor]) -> Tensor:
    """Of each member's share of `parts`, shaped like the weights."""
    if isinstance(networks, BatchedMLP):
        return sum(part.flatten(1).square().sum(1) for part in parts).sqrt()
    own = _by_member(networks, parts)
    return torch.stack([sum(p.square().sum() for p in mine) for mine in own]).sqrt()


def resized(
    networks: Ensemble, parts: Sequence[Tensor], factors: Tensor
) -> list[Tensor]:
    """Each member's share of `parts` times its factor."""
    if isinstance(networks, BatchedMLP):
        return [p * factors.view(-1, *[1] * (p.dim() - 1)) for p in parts]
    own = _by_member(networks, parts)
    return [p * factor for mine, factor in zip(own, factors, strict=True) for p in mine]


def _by_member(networks: Ensemble, parts: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    count = len(parts) // len(networks.members)
    return [parts[k : k + count] for k in range(0, len(parts), count)]
