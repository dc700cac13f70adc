"""The Jacobian and the Hessian of a small network, whole, by autograd alone.

They know no layer and no formula: this is what the rest of the room is checked against.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from helpers.curvature.losses import Loss, half_square


def jacobian(model: nn.Module, inputs: Tensor) -> Tensor:
    """(n, C, p): every output by every weight."""
    outputs, weights = _as_function(model, inputs)
    return torch.func.jacrev(outputs)(weights)


def hessian(
    model: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss = half_square
) -> Tensor:
    """(p, p): that of the mean loss."""
    outputs, weights = _as_function(model, inputs)
    return torch.func.hessian(lambda w: loss(outputs(w), targets))(weights)


def _as_function(
    model: nn.Module, inputs: Tensor
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The outputs, as a function of all weights in one vector, and that vector."""
    names, weights = zip(*model.named_parameters(), strict=True)
    sizes = [weight.numel() for weight in weights]

    def outputs(vector: Tensor) -> Tensor:
        shaped = [
            part.view_as(weight)
            for part, weight in zip(vector.split(sizes), weights, strict=True)
        ]
        return functional_call(model, dict(zip(names, shaped, strict=True)), inputs)

    return outputs, parameters_to_vector(weights).detach()
