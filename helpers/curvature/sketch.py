"""Trace and Frobenius norm from a few random sign vectors per example.

With e in {-1, 1}^C and g_i = W_i^T e_i, E |g_i|^2 = tr K_ii, and for independent e and
e', E (g_i . g_j')^2 = |K_ij|_F^2: a Gram matrix of R rows per example instead of C.
Its eigenvalues are biased upward, so it is never asked for them.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.curvature.backward_pass import SeedsOf, row_norms
from helpers.curvature.checks import check_problem
from helpers.curvature.kernel import jacobian_gram
from helpers.curvature.losses import Loss, half_square, output_curvature

PILOT = 16  # with one direction, one example in 16 gets two more rows


class Sketch(NamedTuple):
    """Of the Gauss-Newton matrix G; errors are standard errors.

    The trace and frobenius^2 are unbiased.
    """

    trace: float
    trace_error: float
    frobenius: float
    frobenius_error: float


class Rows(NamedTuple):
    """Which example each row of the sketch belongs to, and its signs.

    examples (N,): every example once, and again those that serve as pilots.
    signs (N, R, C).
    """

    examples: Tensor
    signs: Tensor

    @property
    def owners(self) -> Tensor:
        return self.examples.repeat_interleave(self.signs.shape[1])


@torch.no_grad()
def sketch(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    directions: int = 1,
    dtype: torch.dtype | None = None,
    memory: float = 1.5,
    chunk: int = 32,
    generator: torch.Generator | None = None,
) -> Sketch:
    """Trace and Frobenius norm, by sketching.

    directions: sign vectors for each example.
    dtype, memory, chunk: as for `gram`.
    """
    check_problem(model, inputs, targets, loss)
    drawn = _draw(model, inputs, directions, generator)
    seeds_of = _seeds(drawn, targets, loss)
    kernel, _ = jacobian_gram(
        model,
        inputs[drawn.examples],
        seeds_of,
        dtype=dtype,
        memory=memory,
        chunk=chunk,
    )
    n = len(inputs)
    trace, trace_error = _mean_of_owners(kernel.diagonal(), drawn.owners, n)
    square, square_error = _square_norm(kernel, drawn.owners, n)
    root = math.sqrt(square)
    return Sketch(trace, trace_error, root, square_error / (2 * root))


@torch.no_grad()
def sketch_trace(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    directions: int = 1,
    chunk: int = 32,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    """An unbiased trace and its standard error: row norms alone, no Gram matrix."""
    check_problem(model, inputs, targets, loss)
    drawn = _draw(model, inputs, directions, generator)
    seeds_of = _seeds(drawn, targets, loss)
    norms = row_norms(model, inputs[drawn.examples], seeds_of, chunk).flatten()
    return _mean_of_owners(norms, drawn.owners, len(inputs))


@torch.no_grad()
def _draw(
    model: nn.Module,
    inputs: Tensor,
    directions: int,
    generator: torch.Generator | None,
) -> Rows:
    if directions < 1:
        raise ValueError(f"directions = {directions}: use at least one")
    n, output = len(inputs), model(inputs[:1])
    device = generator.device if generator else output.device
    examples = torch.arange(n, device=device)
    if directions == 1:
        pilots = torch.randperm(n, device=device, generator=generator)
        pilots = pilots[: min(n, max(8, math.ceil(n / PILOT)))]
        examples = torch.cat([examples, pilots])
    size = (len(examples), directions, output.shape[1])
    bits = torch.randint(2, size, device=device, generator=generator)
    return Rows(examples.to(output.device), (2 * bits - 1).to(output))


def _seeds(drawn: Rows, targets: Tensor, loss: Loss) -> SeedsOf:
    def seeds_of(outputs: Tensor, part: slice) -> Tensor:
        above = targets[drawn.examples[part]]
        return drawn.signs[part] @ output_curvature(loss, outputs, above).root.mT

    return seeds_of


def _mean_of_owners(values: Tensor, owners: Tensor, n: int) -> tuple[float, float]:
    """(1/n) sum over examples of the mean of its rows' values, and a standard error."""
    values = values.double()
    weights = _weights(owners, n)
    mean = (weights * values).sum() / n
    return mean.item(), math.sqrt(_variance_of_sum(values, owners, n)) / n


def _weights(owners: Tensor, n: int) -> Tensor:
    """One over the number of rows that a row's example has."""
    return 1 / torch.bincount(owners, minlength=n)[owners].double()


def _variance_of_sum(values: Tensor, owners: Tensor, n: int) -> float:
    """Variance of sum_i (mean of the rows of i), from examples with several rows.

    Examples with one row are given the mean variance of those with more.
    """
    counts = torch.bincount(owners, minlength=n).double()
    means = torch.bincount(owners, values, n) / counts
    spread = torch.bincount(owners, (values - means[owners]).square(), n)
    several = counts > 1
    variance = torch.zeros_like(counts)
    variance[several] = spread[several] / (counts[several] - 1)
    variance[~several] = variance[several].mean()
    return (variance / counts).sum().item()


def _square_norm(kernel: Tensor, owners: Tensor, n: int) -> tuple[float, float]:
    """|G|_F^2 = (1/n^2) sum_ij |K_ij|^2 and its standard error.

    Off the diagonal every pair of rows counts; K_ii needs two rows of one example.  The
    error is that of the first-order projection, 2 sum_j |k_ij|^2 for row i.
    """
    weights = _weights(owners, n)
    squares = kernel.double().square()
    same = owners[:, None] == owners
    within = (squares * same).sum(1) - squares.diagonal()
    across = (squares * ~same) @ weights
    counts = torch.bincount(owners, minlength=n).double()
    several = counts > 1
    blocks = torch.bincount(owners, within, n)[several]
    blocks = blocks / (counts * (counts - 1))[several]
    total = (weights * across).sum() + n * blocks.mean()
    variance = _variance_of_sum(2 * across, owners, n)
    if len(blocks) < n:
        variance += n * (n - len(blocks)) * blocks.var().item() / len(blocks)
    return total.item() / n**2, math.sqrt(variance) / n**2
