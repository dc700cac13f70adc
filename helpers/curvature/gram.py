"""The exact Gram matrix K = W W^T of a network, and what it knows of the curvature."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.curvature.backward_pass import SeedsOf, row_norms
from helpers.curvature.checks import check_problem
from helpers.curvature.kernel import jacobian_gram
from helpers.curvature.losses import Loss, half_square, output_curvature


class Gram(NamedTuple):
    """The Gauss-Newton matrix G = W^T W / n, known through K = W W^T.

    kernel (n C, n C): K; row i C + c belongs to column c of S_i.
    residual (n, C): a, with the gradient of example i equal to W_i^T a_i.
    loss: the mean loss L.
    """

    kernel: Tensor
    residual: Tensor
    loss: float

    @property
    def trace(self) -> float:
        """tr G."""
        return self.kernel.diagonal().sum(dtype=torch.float64).item() / self.examples

    @property
    def frobenius(self) -> float:
        """|G|_F, in float64: torch's norm of a large float32 K is off by percents."""
        panels = self.kernel.split(256)
        square = sum(panel.square().sum(dtype=torch.float64) for panel in panels)
        return square.sqrt().item() / self.examples

    @property
    def examples(self) -> int:
        return len(self.residual)

    def eigenvalues(self) -> Tensor:
        """The n C largest eigenvalues of G, descending; all others are zero."""
        return torch.linalg.eigvalsh(self.kernel).flip(0).clamp(min=0) / self.examples


@torch.no_grad()
def gram(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    dtype: torch.dtype | None = None,
    memory: float = 1.5,
    chunk: int = 32,
) -> Gram:
    """The exact Gram matrix, with the gradients held a few layers at a time.

    dtype: that in which per-example gradients are held and multiplied; None is the
        model's own.  bfloat16 is about four times as fast where the hardware has it,
        and each entry of K is then rounded to three digits.
    memory: GiB for per-example gradients; what does not fit is split into several
        passes over the data.
    chunk: examples in one forward pass.
    """
    check_problem(model, inputs, targets, loss)
    roots = _roots(targets, loss)
    kernel, outputs = jacobian_gram(
        model, inputs, roots, dtype=dtype, memory=memory, chunk=chunk
    )
    residual = output_curvature(loss, outputs, targets).residual
    return Gram(kernel, residual, loss(outputs, targets).item())


@torch.no_grad()
def trace(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    chunk: int = 32,
) -> float:
    """tr G, exact as well: the norms of the rows of W, and no Gram matrix."""
    check_problem(model, inputs, targets, loss)
    norms = row_norms(model, inputs, _roots(targets, loss), chunk)
    return norms.sum(dtype=torch.float64).item() / len(inputs)


def _roots(targets: Tensor, loss: Loss) -> SeedsOf:
    """The rows of S_i^T, for a chunk of examples."""

    def roots(outputs: Tensor, examples: slice) -> Tensor:
        return output_curvature(loss, outputs, targets[examples]).root.mT

    return roots
