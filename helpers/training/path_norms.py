"""How large a network with one hidden layer is, as its paths count it."""

import torch
from torch import Tensor, nn


def units(network: nn.Module) -> tuple[Tensor, Tensor]:
    """Weights in (units, inputs and bias) and out (units, outputs), in float64."""
    first, last = (one for one in network.modules() if isinstance(one, nn.Linear))
    into = torch.cat([first.weight, first.bias[:, None]], 1)
    return into.detach().double(), last.weight.detach().double().T


def path_norms(network: nn.Module, start: nn.Module) -> dict[str, float]:
    """Of all products of weights along a path, and of what training has added to them.

    A unit's paths are the matrix of its weights in times its weights out. `path` is the
    Euclidean norm of all paths, `sum` adds up the norms of the units; `moved` is of the
    difference from the start, whose length in the weights themselves is `distance`.
    """
    (u, v), (u0, v0) = units(network), units(start)
    now, then = _square(u, v, u, v), _square(u0, v0, u0, v0)
    # Of two nearly equal units the difference may round to less than nothing.
    moved = (now + then - 2 * _square(u, v, u0, v0)).clamp(min=0)
    return {
        "path": now.sum().sqrt().item(),
        "sum": now.sqrt().sum().item(),
        "path_moved": moved.sum().sqrt().item(),
        "sum_moved": moved.sqrt().sum().item(),
        "distance": ((u - u0).square().sum() + (v - v0).square().sum()).sqrt().item(),
        "weights": (u.square().sum() + v.square().sum()).sqrt().item(),
    }


def _square(u: Tensor, v: Tensor, other_u: Tensor, other_v: Tensor) -> Tensor:
    """⟨u vᵀ, u' v'ᵀ⟩ of each unit."""
    return (u * other_u).sum(1) * (v * other_v).sum(1)
