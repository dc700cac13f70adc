"""Linearised SGD against a plain loop, and against cases without chance."""

import math

import pytest
import torch

from helpers.dynamics import linear, stability
from helpers.problems.linear import random_minima

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double()
START = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
H = X.T @ X / 6


def test_all_batches_average_to_the_hessian():
    for batch in range(1, 7):
        draws = stability.every_batch(X, batch)
        assert len(draws.chances) == math.comb(6, batch)
        assert draws.chances.sum().item() == pytest.approx(1, abs=1e-14)
        mean = torch.einsum("k,kij->ij", draws.chances, draws.curvatures)
        assert torch.allclose(mean, H)


def test_a_mixture_has_the_same_mean_and_all_of_the_spread():
    draws = stability.mixture(X, 0.3)
    mean = torch.einsum("k,kij->ij", draws.chances, draws.curvatures)
    assert torch.allclose(mean, H)
    assert draws.chances[-1].item() == pytest.approx(0.7)


def test_without_chance_the_blow_up_is_two_over_the_curvature():
    top = torch.linalg.eigvalsh(H)[-1].item()
    found = stability.blow_up_rate(stability.every_batch(X, 6))
    assert found == pytest.approx(2 / top, rel=1e-12)


def test_single_examples_in_one_direction_by_hand():
    """E(1 − ηg²)² = 1 at η = 2 E g² / E g⁴."""
    g = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    found = stability.blow_up_rate(stability.every_batch(g, 1))
    assert found == pytest.approx(2 * 14 / (1 + 16 + 81), rel=1e-12)


def test_the_full_batch_is_gradient_descent():
    rates = torch.tensor([0.1, 0.4], dtype=torch.float64)
    found = linear.after(stability.linear_sgd(X, START, rates, 6, 2, 0), 5)
    for rate, copies in zip(rates, found, strict=True):
        w = START.clone()
        for _ in range(5):
            w = w - rate * (H @ w)
        assert torch.allclose(copies, w.expand(2, -1))


def test_each_step_is_a_step_on_some_batch():
    rates = torch.tensor([0.2], dtype=torch.float64)
    stream = stability.linear_sgd(X, START, rates, 2, 50, 3)
    w = linear.after(stream, 1)[0]
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    possible = [START - 0.1 * X[[i, j]].T @ (X[[i, j]] @ START) for i, j in pairs]
    gaps = (w[:, None] - torch.stack(possible)).norm(dim=-1).min(1).values
    assert gaps.max() < 1e-12
    assert len(torch.unique(w.round(decimals=9), dim=0)) > 5


def test_growth_without_chance_is_the_slowest_contraction():
    rates = torch.tensor([0.1, 1.0], dtype=torch.float64)
    found = stability.log_growth(X, rates, 6, 1, 2000, 0)[:, 0]
    factors = 1 - rates[:, None] * torch.linalg.eigvalsh(H)
    assert torch.allclose(found, factors.abs().max(1).values.log(), atol=1e-6)


def test_errors_follow_the_weights_on_the_same_batches():
    order = torch.tensor([[[0, 1], [4, 2]], [[3, 3], [5, 0]]])
    stream = stability.errors_along(X @ X.T, X @ START, 0.2, order)
    found = linear.after(stream, 2)
    for batches, errors in zip(order, found, strict=True):
        w = START.clone()
        for chosen in batches:
            w = w - 0.1 * X[chosen].T @ (X[chosen] @ w)
        assert torch.allclose(errors, X @ w)


def test_random_minima_are_fixed_by_their_seed_and_differ():
    one, same, other = (random_minima(seed, 100) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])
    shapes = {tuple(G.shape) for G in one}
    assert len(shapes) > 20
    assert any(n < d for n, d in shapes)
    assert any(n > d for n, d in shapes)
    assert all(3 <= n <= 40 and 2 <= d <= 8 for n, d in shapes)
