"""How much a network's outputs move when its inputs do, and the norm of its paths."""

import copy

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(model: nn.Module) -> nn.Module:
    """The same function in evaluation mode, batch norm taken into the convolutions."""
    model = copy.deepcopy(model).eval()
    for part in [module for module in model.modules() if _is_chain(module)]:
        for place in range(len(part) - 1):
            first, second = part[place], part[place + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                part[place] = fuse_conv_bn_eval(first, second)
                part[place + 1] = nn.Identity()
    left = [
        m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    ]
    if left:
        raise ValueError("batch norm that follows no convolution cannot be folded")
    return model


@torch.no_grad()
def path_norm(model: nn.Module, inputs: Tensor, power: int = 2) -> float:
    """(sum over paths of |product of weights|^p)^(1/p), batch norm folded.

    One forward pass of ones through the weights' powers; `inputs` give the shape.
    Biases count as weights of an input that is always one.
    """
    model = folded(model)
    for weights in model.parameters():
        weights.copy_(weights.abs() ** power)
    return model(torch.ones_like(inputs[:1])).sum().item() ** (1 / power)


@torch.no_grad()
def input_sensitivity(model: nn.Module, inputs: Tensor, chunk: int = 50) -> float:
    """The root of the mean square of the Frobenius norm of d outputs / d inputs."""
    model = model.eval()

    def outputs(x: Tensor) -> Tensor:
        return model(x[None]).flatten()

    squares = [
        vmap(jacrev(outputs))(part).square().flatten(1).sum(1)
        for part in inputs.split(chunk)
    ]
    return torch.cat(squares).mean().sqrt().item()


def margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """By how much the labelled output leads; or target x output, for signs."""
    if outputs.ndim == 1:
        return outputs * labels
    own = outputs.gather(1, labels[:, None])
    others = outputs.scatter(1, labels[:, None], -torch.inf)
    return (own - others.max(1, keepdim=True).values).flatten()


def _is_chain(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential)
