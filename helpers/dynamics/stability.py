"""Linearised SGD near a minimum: single paths, and the mean over all of its batches."""

from typing import NamedTuple

import torch
from torch import Tensor

from helpers.dynamics.linear import Stream, after


class Draws(NamedTuple):
    """All outcomes of one draw of a batch: mean curvatures, and their chances."""

    curvatures: Tensor  # (outcomes, features, features)
    chances: Tensor  # (outcomes,)


def every_batch(X: Tensor, batch: int) -> Draws:
    """The C(n, batch) batches without replacement, for a loss ½ mean (x·w)²."""
    chosen = torch.combinations(torch.arange(len(X)), batch)
    curvatures = torch.einsum("kbi,kbj->kij", X[chosen], X[chosen]) / batch
    return Draws(curvatures, X.new_full((len(chosen),), 1 / len(chosen)))


def mixture(X: Tensor, share: float) -> Draws:
    """With chance `share` one example alone, and otherwise all of them."""
    single = torch.einsum("ni,nj->nij", X, X)
    curvatures = torch.cat([single, single.mean(0, keepdim=True)])
    chances = X.new_full((len(X) + 1,), share / len(X))
    chances[-1] = 1 - share
    return Draws(curvatures, chances)


def blow_up_rate(draws: Draws, tolerance: float = 1e-13) -> float:
    """The rate at which E wwᵀ stops shrinking, by bisection over all outcomes."""
    features = draws.curvatures.shape[-1]
    identity = torch.eye(features, dtype=torch.float64)
    low, high = 0.0, 4 / draws.curvatures.diagonal(dim1=1, dim2=2).sum(1).mean().item()
    high *= features
    while high - low > tolerance * high:
        rate = (low + high) / 2
        steps = identity - rate * draws.curvatures
        square = torch.einsum("k,kij,klm->iljm", draws.chances, steps, steps)
        growth = torch.linalg.eigvalsh(square.reshape(features**2, -1)).abs().max()
        low, high = (rate, high) if growth <= 1 else (low, rate)
    return low


def linear_sgd(
    X: Tensor, start: Tensor, rates: Tensor, batch: int, copies: int, seed: int
) -> Stream:
    """SGD on ½ mean (x·w)²: (rates, copies, features).

    Copies differ in their batches; all rates see the same ones.
    """
    w = start.expand(len(rates), copies, -1)
    generator = torch.Generator().manual_seed(seed)
    step = rates.reshape(-1, 1, 1) / batch
    while True:
        yield w
        order = torch.rand(copies, len(X), generator=generator)
        rows = X[order.topk(batch).indices]
        errors = torch.einsum("cbf,rcf->rcb", rows, w)
        w = w - step * torch.einsum("rcb,cbf->rcf", errors, rows)


def errors_along(kernel: Tensor, errors: Tensor, rate: float, order: Tensor) -> Stream:
    """Errors of the linearised outputs, (copies, examples), under given batches.

    `kernel` holds the products of the outputs' gradients, `order` the examples that
    each copy sees at each step, (copies, steps, batch).
    """
    errors = errors.expand(len(order), -1)
    step = rate / order.shape[2]
    yield errors
    for chosen in order.unbind(1):
        seen = errors.gather(1, chosen)[:, None]
        errors = errors - step * (seen @ kernel[chosen])[:, 0]
        yield errors


def log_growth(
    X: Tensor, rates: Tensor, batch: int, copies: int, steps: int, seed: int
) -> Tensor:
    """log ‖w‖ per step along single paths of `linear_sgd`: (rates, copies).

    Paths are rescaled on the way, and the first fifth of the steps is forgotten.
    """
    total, counted, block = 0.0, 0, max(steps // 100, 1)
    w = X.new_ones(1, 1, X.shape[1])
    for number in range(100):
        stream = linear_sgd(X, w, rates, batch, copies, seed * 100 + number)
        w = after(stream, block)
        size = w.norm(dim=-1, keepdim=True)
        w = w / size
        if number >= 20:
            total, counted = total + size[..., 0].log(), counted + block
    return total / counted
