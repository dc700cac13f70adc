"""Descents in the geometry of a potential ψ: streams of iterates, as in `linear`.

Mirror descent steps in the dual weights ∇ψ(w). Its potentials here
are sums over features, or the entropy on the simplex.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.dynamics.linear import Problem, Rate, Stream, _batches, gradient


class Mirror(NamedTuple):
    """A potential, told by its gradient, the inverse of that, and its curvature."""

    to_dual: Callable[[Tensor], Tensor]  # ∇ψ
    to_primal: Callable[[Tensor], Tensor]
    curvature: Callable[[Tensor], Tensor]  # ψ″, feature by feature


def power(p: float) -> Mirror:
    """ψ(w) = Σ |wⱼ|^p / p."""
    return Mirror(
        lambda w: w.sign() * w.abs() ** (p - 1),
        lambda z: z.sign() * z.abs() ** (1 / (p - 1)),
        lambda w: (p - 1) * w.abs() ** (p - 2),
    )


def hypentropy(scale: float) -> Mirror:
    """ψ′(w) = arcsinh(w/scale): like w² below the scale, like |w| log|w| above it."""
    return Mirror(
        lambda w: (w / scale).asinh(),
        lambda z: scale * z.sinh(),
        lambda w: 1 / (w**2 + scale**2).sqrt(),
    )


def entropy() -> Mirror:
    """ψ(w) = Σ wⱼ log wⱼ − wⱼ for w > 0."""
    return Mirror(torch.log, torch.exp, lambda w: 1 / w)


def entropy_on_simplex() -> Mirror:
    """The same where Σ wⱼ = 1: exponentiated gradient."""
    return Mirror(torch.log, lambda z: z.softmax(-1), lambda w: 1 / w)


def mirror_descent(
    problem: Problem, w: Tensor, rate: Rate, mirror: Mirror, momentum: Rate = 0
) -> Stream:
    """With `momentum`, it is that of the dual weights."""
    dual = mirror.to_dual(w)
    before = dual
    while True:
        yield w
        ahead = dual + momentum * (dual - before) - rate * gradient(problem, w)
        before, dual = dual, ahead
        w = mirror.to_primal(dual)


def kept_mirror_descent(
    problem: Problem, w: Tensor, rate: Rate, mirror: Mirror, G: Tensor
) -> Stream:
    """Mirror descent that keeps G w, (seeds, equations), at what it is at the start.

    Each step adds the multiples of G's rows to the dual weights that restore it: the
    nearest point to a potential, found by Newton's method.
    """
    dual, kept = mirror.to_dual(w), _times(G, w)
    while True:
        yield w
        dual = dual - rate * gradient(problem, w)
        w = mirror.to_primal(dual)
        for _ in range(20):
            lost = _times(G, w) - kept
            if lost.abs().max() < 1e-14:
                break
            bend = G / mirror.curvature(w).unsqueeze(-2) @ G.mT
            dual = dual - _times(G.mT, torch.linalg.solve(bend, lost))
            w = mirror.to_primal(dual)


def shortest_way_back(
    problem: Problem, w: Tensor, rate: Rate, mirror: Mirror, G: Tensor
) -> Stream:
    """The same, but for how G w is restored: by the shortest step of the weights."""
    back, kept = torch.linalg.pinv(G), _times(G, w)
    while True:
        yield w
        w = mirror.to_primal(mirror.to_dual(w) - rate * gradient(problem, w))
        w = w - _times(back, _times(G, w) - kept)


def stochastic_mirror_descent(
    problem: Problem,
    w: Tensor,
    rate: Rate,
    mirror: Mirror,
    batch: int,
    seeds: Iterable[int],
) -> Stream:
    """Mini-batches with replacement; each seed draws its own."""
    dual = mirror.to_dual(w)
    yield w
    for chosen in _batches(seeds, problem.X.shape[1], batch):
        dual = dual - rate * gradient(problem.only(chosen), w)
        w = mirror.to_primal(dual)
        yield w


def primal_momentum(
    problem: Problem, w: Tensor, rate: Rate, mirror: Mirror, momentum: float
) -> Stream:
    """Mirror descent from the point to which the weights themselves would roll on."""
    before = w
    while True:
        yield w
        ahead = mirror.to_dual(w + momentum * (w - before))
        before, w = w, mirror.to_primal(ahead - rate * gradient(problem, w))


def natural_gradient(problem: Problem, w: Tensor, rate: Rate, mirror: Mirror) -> Stream:
    """Steps in the weights, divided by the potential's curvature there."""
    while True:
        yield w
        w = w - rate * gradient(problem, w) / mirror.curvature(w)


def steepest_descent(problem: Problem, w: Tensor, rate: Rate, order: float) -> Stream:
    """Of all steps v, the least of g·v + ‖v‖²/(2 rate), in the norm of this order."""
    dual = order / (order - 1)
    while True:
        yield w
        g = gradient(problem, w)
        size = torch.linalg.vector_norm(g, dual, -1, keepdim=True)
        share = g / size.clamp_min(1e-300)
        w = w - rate * size * share.sign() * share.abs() ** (dual - 1)


def _times(matrix: Tensor, v: Tensor) -> Tensor:
    return (matrix @ v.unsqueeze(-1)).squeeze(-1)
