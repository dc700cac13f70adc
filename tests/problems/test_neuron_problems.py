"""What the labels ask, and that turning and scaling change nothing else."""

import math

import numpy as np
import pytest
import torch

from helpers.problems import neuron

SCALES = 1, 5


def relu(problem, w):
    w = torch.tensor(w, dtype=torch.float64)
    return (problem.X @ w).clamp_min(0)


@pytest.mark.parametrize(
    ("problem", "fits", "does_not"),
    [
        (neuron.one_zero(SCALES), [5, -1, 0.5], [5, -1, 1.5]),
        (neuron.detour(SCALES), [1, 0, 0.5], [1, 0, -0.5]),
    ],
    ids=["one zero", "detour"],
)
def test_what_fits(problem, fits, does_not):
    assert torch.allclose(relu(problem, fits), problem.y)
    assert not torch.allclose(relu(problem, does_not), problem.y)


def test_the_zero_example_in_another_direction():
    problem = neuron.one_zero(SCALES, (1, 1, 1))
    assert problem.X[:, 2].tolist() == [[1, 1, 1], [5, 5, 5]]
    assert torch.allclose(relu(problem, [5, -1, -4]), problem.y)
    assert not torch.allclose(relu(problem, [5, -1, 0]), problem.y)


def test_the_zero_example_in_four_features():
    problem = neuron.one_zero(SCALES, (0, 1, 1, 1))
    assert problem.X.shape == (2, 3, 4)
    assert torch.allclose(relu(problem, [5, -1, 0.5, 0.5]), problem.y)
    assert not torch.allclose(relu(problem, [5, -1, 0.5, 1]), problem.y)


def test_another_second_example():
    problem = neuron.one_zero(SCALES, second=(4, 1, 0))
    assert problem.X[:, 1].tolist() == [[4, 1, 0]] * 2
    assert problem.y[:, 1].tolist() == [18, 18]


@pytest.mark.parametrize("degrees", [0, 22.5, 180])
def test_turned_and_scaled_weights_fit_the_turned_and_scaled_problem(degrees):
    angle = math.radians(degrees)
    w = 2 * np.array([math.cos(angle), 0, math.sin(angle)])
    problem = neuron.turned(neuron.detour(SCALES), degrees, 2)
    assert torch.allclose(relu(problem, w), problem.y, atol=1e-12)
    assert problem.y[0].tolist() == [6, 2, 0]
    several = neuron.turned(neuron.detour(SCALES), [10, degrees], [3, 2])
    assert torch.equal(several.X[1], problem.X[1])
    assert several.y.tolist() == [[9, 3, 0], [6, 2, 0]]


def test_without_zeros_keeps_the_positive_examples():
    problem = neuron.without_zeros(neuron.one_zero(SCALES))
    assert problem.y.tolist() == [[16, 18]] * 2
    assert problem.X.tolist() == [[[3, -1, 0], [4, 2, 0]]] * 2


def test_random_labels_are_positive_then_zero():
    X, y = neuron.random_labels(range(200), 3, 2, 6)
    assert (y[:, :3] > 0).all()
    assert (y[:, 3:] == 0).all()
    assert X.square().sum(-1).mean().item() == pytest.approx(1, abs=0.05)
    one = neuron.random_labels([7], 3, 2, 6)
    assert torch.equal(one.X[0], X[7])


def test_orthogonal_rows_of_their_lengths():
    X, y = neuron.orthogonal(range(50), 5, 8)
    gram = X @ X.mT
    lengths = gram.diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(gram, torch.diag_embed(lengths), atol=1e-12)
    assert 0.5 <= lengths.sqrt().min() < 0.6
    assert 1.4 < lengths.sqrt().max() <= 1.5
    assert y.std().item() == pytest.approx(1, abs=0.15)


def test_a_hidden_start_has_a_column_more_than_features():
    start = neuron.hidden_start(range(100), 10, 4)
    assert start.shape == (100, 10, 5)
    assert start.std().item() == pytest.approx(0.5, abs=0.02)
