"""Each model's outputs from its formula, its gradients from autograd."""

import numpy as np
import pytest
import torch

from helpers.problems import interpolating

SEEDS = range(3)
EYE = np.eye(2)


def valley(w, copies):
    x, t = w[..., :2], w[..., 2]
    h = torch.stack([1.6 + t + t**2 / 2, 0.9 - t + t**2 / 2], -1)
    return torch.cat([(2 * h).sqrt() * x] * copies, -1)


def relu(w, x):
    slope, offset, out = w.chunk(3, -1)
    inside = x[:, None] * slope[..., None, :] + offset[..., None, :]
    return (out[..., None, :] * inside.relu()).sum(-1)


def squares(w, X):
    u, v = w.chunk(2, -1)
    return torch.einsum("snd,...sd->...sn", X, u**2 - v**2)


LINEAR = interpolating.directions(SEEDS, np.array([0.5, 1.0, 2.0]))
SQUARES = interpolating.paired_squares(SEEDS, 4, 6, 2)
RELU = interpolating.relu_regression(SEEDS, 5)
CASES = {
    "linear": (
        LINEAR,
        3,
        lambda w: torch.einsum("snd,...sd->...sn", torch.tensor(LINEAR.X), w),
    ),
    "valley": (interpolating.two_curvatures(), 3, lambda w: valley(w, 1)),
    "copies": (interpolating.two_curvatures(3), 3, lambda w: valley(w, 3)),
    "product": (interpolating.product(), 2, lambda w: w.prod(-1, keepdim=True)),
    "squares": (SQUARES, 12, lambda w: squares(w, torch.tensor(SQUARES.X))),
    "relu": (RELU, 21, lambda w: relu(w, torch.tensor(RELU.x))),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chains", [(), (2,)])
def test_outputs_and_pull_are_those_of_autograd(name, chains):
    model, parameters, formula = CASES[name]
    random = np.random.default_rng(0)
    w = 0.4 * random.normal(size=(*chains, len(SEEDS), parameters))
    leaf = torch.tensor(w, requires_grad=True)
    expected = formula(leaf)
    outputs, pull = model.linearise(w)
    np.testing.assert_allclose(outputs, expected.detach(), atol=1e-12)
    r = random.normal(size=outputs.shape)
    (expected * torch.tensor(r)).sum().backward()
    np.testing.assert_allclose(pull(r), leaf.grad, atol=1e-12)


def test_directions_have_the_curvatures_asked_for():
    for X in LINEAR.X:
        found = np.linalg.eigvalsh(X.T @ X / 3)
        np.testing.assert_allclose(found, [0.5, 1.0, 2.0], rtol=1e-12)


def test_paired_squares_of_the_signal_fit():
    w = np.concatenate([SQUARES.signal, 0 * SQUARES.signal], -1)
    np.testing.assert_allclose(SQUARES.linearise(w)[0], SQUARES.y)
    np.testing.assert_allclose(SQUARES.weights(w), SQUARES.signal)
    assert set(np.unique(SQUARES.X)) == {-1.0, 1.0}


def test_only_takes_each_seeds_own_examples():
    chosen = np.array([[0, 3], [1, 1], [2, 0]])
    part = SQUARES.only(chosen)
    for seed in SEEDS:
        np.testing.assert_array_equal(part.X[seed], SQUARES.X[seed][chosen[seed]])
        np.testing.assert_array_equal(part.y[seed], SQUARES.y[seed][chosen[seed]])


def test_the_relu_function_is_the_same_elsewhere():
    w = interpolating.wiggly_start(SEEDS, 7, 2.0)
    np.testing.assert_allclose(RELU.function(w, RELU.x), RELU.linearise(w)[0])
    assert RELU.function(w, np.linspace(-2, 2, 9)).shape == (3, 9)
    np.testing.assert_allclose(RELU.y[0], [1, 0, -1, 0, 1])


def test_a_start_has_its_kinks_where_the_points_are():
    slope, offset, out = np.split(interpolating.wiggly_start([4], 500, 5.0), 3, -1)
    assert np.abs(offset / slope).max() < 1.1
    assert out.std() * 500**0.5 == pytest.approx(5, rel=0.1)


def test_a_seed_is_one_problem_in_any_company():
    among = interpolating.paired_squares([7, 5], 4, 6, 2)
    np.testing.assert_array_equal(
        interpolating.paired_squares([5], 4, 6, 2).X[0], among.X[1]
    )
    alone = interpolating.wiggly_start([5], 9, 1.0)[0]
    np.testing.assert_array_equal(alone, interpolating.wiggly_start([1, 5], 9, 1.0)[1])
