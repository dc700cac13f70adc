"""Limits of stability against all batches written out, and cases done by hand."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from helpers.curvature.gram import gram
from helpers.curvature.noise import stability_threshold
from helpers.dials import BookError
from helpers.oracles import stability

RANDOM = np.random.default_rng(0)
G = RANDOM.normal(size=(6, 3))
AT = stability.minimum(G)


def every_step(rows, rate, batch):
    """I − η H_b for all batches of that size."""
    identity = np.eye(rows.shape[1])
    for chosen in combinations(range(len(rows)), batch):
        few = rows[list(chosen)]
        yield identity - rate * few.T @ few / batch


@pytest.mark.parametrize("batch", range(1, 7))
def test_moment_operator_is_the_mean_over_all_batches(batch):
    drawn, rate = stability.sampling(6, batch), 0.3
    steps = list(every_step(AT.rows, rate, batch))
    expected = np.mean([np.kron(step, step) for step in steps], axis=0)
    found = stability.moment_operator(AT, rate, drawn)
    radius = np.abs(np.linalg.eigvals(expected)).max()
    assert np.abs(np.linalg.eigvalsh(found)).max() == pytest.approx(radius, rel=1e-12)
    assert stability.growth_exponent(AT, rate, drawn) == pytest.approx(np.log(radius))


@pytest.mark.parametrize("batch", [1, 2, 6])
def test_mean_loss_is_the_mean_over_all_sequences_of_batches(batch):
    start, rate = RANDOM.normal(size=len(AT.curvatures)), 0.4
    steps = list(every_step(AT.rows, rate, batch))
    moment, expected = np.outer(start, start), []
    for _ in range(4):
        expected.append((AT.curvatures * moment.diagonal()).sum() / 2)
        moment = np.mean([step @ moment @ step for step in steps], axis=0)
    drawn = stability.sampling(6, batch)
    found = stability.mean_loss(AT, AT.rows @ start, rate, drawn, 3)
    assert found == pytest.approx(np.array(expected), rel=1e-11)


@pytest.mark.parametrize("kind", ["without replacement", "with replacement"])
@pytest.mark.parametrize("batch", [1, 3, 6])
def test_limit_agrees_with_curvature_and_with_bisection(batch, kind):
    """Two routes that share no code: vectorised matrices, and Lanczos on a kernel."""
    drawn = stability.sampling(6, batch, kind)
    model = nn.Linear(3, 1, bias=False).double()
    found = gram(model, torch.tensor(G), torch.zeros(6, 1).double())
    replacement = kind == "with replacement"
    expected = stability_threshold(found, batch, replacement=replacement)
    assert stability.stability_limit(AT, drawn) == pytest.approx(expected, rel=1e-9)
    assert stability.bisected_limit(AT, drawn) == pytest.approx(expected, rel=1e-9)


def test_coins_by_hand():
    """One direction: E(1 − ηNg²/B)² = 1, with N binomial of variance B(1 − B/n)."""
    at = stability.minimum(np.full((8, 1), 1.5))
    batch, g = 2, 1.5**2
    variance = batch * (1 - batch / 8)
    expected = 2 * g / (g**2 + variance * g**2 / batch**2)
    drawn = stability.sampling(8, batch, "coins")
    assert stability.stability_limit(at, drawn) == pytest.approx(expected)


def test_orthogonal_examples_by_hand():
    """H_i on axes of their own: the limit is 2 / ((1 − p + pn) λ), coherence one."""
    scale = np.arange(1.0, 7)
    at = stability.minimum(np.diag(scale))
    drawn = stability.sampling(6, 2)
    p, top = (6 - 2) / (2 * 5), 36 / 6
    assert stability.stability_limit(at, drawn) == pytest.approx(
        2 / ((1 - p + 6 * p) * top)
    )
    assert stability.trace_limit(at, drawn) == pytest.approx(2 / (p * 91 / 6))
    assert stability.descent_limit(at) == pytest.approx(2 / top)
    expected = 1 / (top * np.sqrt(6 / 2 - 1))
    assert stability.coherence_limit(at, 6, 2) == pytest.approx(expected)
    assert stability.overlap_limit(at, 6, 2) == pytest.approx(expected)
    along = 2 * top / ((1 - p) * top**2 + p * 36**2 / 6)
    assert stability.one_matrix_limit(at, drawn) == pytest.approx(along)


FAR_APART = np.hstack([np.full((6, 1), 0.5), np.eye(6)])  # lengths beside the top


@pytest.mark.parametrize("batch", [1, 2, 6])
@pytest.mark.parametrize("gradients", [G, FAR_APART], ids=["random", "far apart"])
def test_one_matrix_limit_is_the_better_of_two_matrices(gradients, batch):
    """tr P² no longer falls in a step: 2 tr P²H = η E tr PH_bPH_b."""
    at = stability.minimum(gradients)
    identity = np.eye(len(at.curvatures))
    hessians = [identity - step for step in every_step(at.rows, 1, batch)]
    limits = [
        2 * np.trace(P @ P @ H) / np.mean([np.trace(P @ h @ P @ h) for h in hessians])
        for H in [np.mean(hessians, axis=0)]
        for P in (identity, np.diag(identity[0]))
    ]
    found = stability.one_matrix_limit(at, stability.sampling(6, batch))
    assert found == pytest.approx(min(limits))


def test_alignment_is_its_definition():
    away = RANDOM.normal(size=len(AT.curvatures))
    gradients = AT.rows * (AT.rows @ away)[:, None]
    noise, hessian = np.cov(gradients.T, bias=True), np.diag(AT.curvatures)
    loss = np.mean((AT.rows @ away) ** 2) / 2
    expected = np.trace(noise @ hessian) / (2 * loss * np.sum(hessian**2))
    assert stability.noise_alignment(AT, away) == pytest.approx(expected)


def test_least_alignment_is_found_by_search_too():
    least, direction = stability.least_alignment(AT)
    assert stability.noise_alignment(AT, direction) == pytest.approx(least)
    searched = [
        minimize(lambda v: stability.noise_alignment(AT, v), start).fun
        for start in RANDOM.normal(size=(10, len(AT.curvatures)))
    ]
    assert min(searched) == pytest.approx(least, rel=1e-5)


def test_frobenius_limit_by_hand():
    """Two orthogonal unit gradients, single examples: μ₀ = ½, ‖H‖² = ½, p = 1."""
    at = stability.minimum(np.eye(2))
    drawn = stability.sampling(2, 1)
    assert stability.least_alignment(at)[0] == pytest.approx(0.5)
    assert stability.frobenius_limit(at, drawn) == pytest.approx(2)
    assert stability.stability_limit(at, drawn) == pytest.approx(2)


def test_one_repeated_example_has_no_noise():
    at, drawn = stability.minimum(np.full((5, 2), 3.0)), stability.sampling(5, 1)
    assert stability.noise_alignment(at, np.ones(1)) == pytest.approx(0, abs=1e-12)
    assert stability.frobenius_limit(at, drawn) > 1e3 * stability.descent_limit(at)


def test_a_kernel_is_as_good_as_the_gradients():
    from_kernel = stability.minimum_from_kernel(G @ G.T)
    assert from_kernel.curvatures == pytest.approx(AT.curvatures)
    drawn = stability.sampling(6, 2)
    expected = stability.stability_limit(AT, drawn)
    assert stability.stability_limit(from_kernel, drawn) == pytest.approx(expected)


def test_what_is_wrong_is_said_in_one_line():
    with pytest.raises(BookError, match="no global minimum: train on"):
        stability.minimum(G, errors=np.ones(6))
    with pytest.raises(BookError, match="no global minimum"):
        stability.minimum_from_kernel(G @ G.T, errors=np.full(6, np.nan))
    for batch in (0, 7):
        with pytest.raises(BookError, match="use 1 to 6 examples"):
            stability.sampling(6, batch)
    for rate in (0, -1.0):
        with pytest.raises(BookError, match="rate above zero"):
            stability.moment_operator(AT, rate, stability.sampling(6, 2))


def test_the_mean_loss_of_the_full_batch_shrinks_to_nothing():
    """With more examples than directions, where rounding once took over."""
    rows = np.random.default_rng(0).normal(size=(30, 5))
    at = stability.minimum(rows)
    way = np.ones(5)
    errors = rows @ way
    rate = 0.5 / at.curvatures[0]
    drawn = stability.sampling(30, 30)
    losses = stability.mean_loss(at, errors, rate, drawn, 400)
    kernel = rows @ rows.T / 30
    plain = [errors]
    for _ in range(400):
        plain.append(plain[-1] - rate * kernel @ plain[-1])
    expected = [np.mean(e**2) / 2 for e in plain]
    np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-12 * expected[0])
