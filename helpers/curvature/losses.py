"""Losses that are means over examples, and the root of their output curvature."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

Loss = Callable[[Tensor, Tensor], Tensor]


def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
    """(1/2n) sum_i |f_i - y_i|^2; both arguments have shape (n, C)."""
    if outputs.shape != targets.shape:
        raise ValueError(
            f"outputs are {tuple(outputs.shape)} but targets {tuple(targets.shape)}: "
            "give both the shape (n, C)"
        )
    return (outputs - targets).square().sum() / (2 * len(outputs))


class OutputCurvature(NamedTuple):
    """The loss to second order in the outputs, example by example.

    root (n, C, C): S with d2l_i/df2 = S_i S_i^T.
    residual (n, C): a with dl_i/df = S_i a_i.
    """

    root: Tensor
    residual: Tensor


def output_curvature(loss: Loss, outputs: Tensor, targets: Tensor) -> OutputCurvature:
    if loss is half_square:
        return _square_curvature(outputs, targets)
    if loss is cross_entropy and targets.ndim == 1:
        return _softmax_curvature(outputs, targets)
    return _autograd_curvature(loss, outputs, targets)


def _square_curvature(outputs: Tensor, targets: Tensor) -> OutputCurvature:
    n, classes = outputs.shape
    identity = torch.eye(classes, dtype=outputs.dtype, device=outputs.device)
    return OutputCurvature(identity.expand(n, -1, -1), outputs - targets)


def _softmax_curvature(outputs: Tensor, targets: Tensor) -> OutputCurvature:
    """S = diag(sqrt p) - p sqrt(p)^T; S a = p - e_y is solved by a = (p - e_y)/sqrt p.

    Near certainty p_y - 1 cancels, so expm1(log p_y) takes its place.
    """
    smallest = math.log(torch.finfo(outputs.dtype).tiny)
    log_p = log_softmax(outputs, dim=1).clamp(min=smallest)
    root_p, p = (log_p / 2).exp(), log_p.exp()
    root = torch.diag_embed(root_p) - p[:, :, None] * root_p[:, None, :]
    label = targets[:, None]
    log_p_y = log_p.gather(1, label)
    residual = root_p.scatter(1, label, torch.expm1(log_p_y) * (-log_p_y / 2).exp())
    return OutputCurvature(root, residual)


def _autograd_curvature(
    loss: Loss, outputs: Tensor, targets: Tensor
) -> OutputCurvature:
    """Any other convex loss: S = V sqrt(lambda) from the C x C output Hessian."""

    def example_loss(output: Tensor, target: Tensor) -> Tensor:
        return loss(output[None], target[None])

    gradient = torch.func.vmap(torch.func.grad(example_loss))(outputs, targets)
    curvature = torch.func.vmap(torch.func.hessian(example_loss))(outputs, targets)
    values, vectors = torch.linalg.eigh(curvature)
    rounding = 10 * torch.finfo(values.dtype).eps * values.abs().amax()
    if values.min() < -rounding:
        raise ValueError(
            "the loss is not convex in the outputs, so it has no Gauss-Newton matrix: "
            "use hessian(...)"
        )
    roots = values.clamp(min=0).sqrt()
    inverse_roots = torch.where(values > rounding, 1 / roots, 0)
    residual = inverse_roots * (vectors.mT @ gradient[:, :, None])[:, :, 0]
    return OutputCurvature(vectors * roots[:, None, :], residual)
