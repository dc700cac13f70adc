"""The construction with 2n + d weights, against a dense solver and by hand."""

import numpy as np
import pytest

from helpers.dials import BookError
from helpers.oracles import finite_sample


@pytest.fixture
def drawn():
    draw = np.random.default_rng(0)
    return draw.normal(size=(40, 5)), draw.normal(size=40), draw.normal(size=5)


@pytest.mark.parametrize("behind", [0.1, 0.5])
def test_it_says_the_labels_with_as_many_weights_as_promised(drawn, behind):
    X, y, a = drawn
    network = finite_sample.memorise(X, y, a, behind)
    assert network.size == 2 * 40 + 5
    assert np.abs(network(X) - y).max() < 1e-9


def test_its_weights_are_those_of_a_dense_solver(drawn):
    X, y, a = drawn
    network = finite_sample.memorise(X, y, a)
    said = np.maximum((X @ a)[:, None] - network.kinks, 0)
    expected = np.linalg.solve(said, y)
    assert np.allclose(network.weights, expected, rtol=1e-6, atol=1e-6)


def test_three_examples_by_hand():
    X, y = np.array([[0.0], [3.0], [1.0]]), np.array([1.0, 1.0, -1.0])
    network = finite_sample.memorise(X, y, [1.0], behind=0.5)
    assert network.kinks.tolist() == [-1, 0.5, 2]
    assert np.allclose(network.weights, [1, -6, 12])


@pytest.mark.parametrize("behind", [0.1, 0.5])
def test_slopes_are_sums_of_weights_and_need_no_system(drawn, behind):
    X, y, a = drawn
    network, order = finite_sample.memorise(X, y, a, behind), (X @ a).argsort()
    slopes = finite_sample.slopes((X @ a)[order], y[order], behind)
    assert np.allclose(network.weights.cumsum(), slopes, rtol=1e-8)


def test_two_examples_at_one_place_are_one_line():
    with pytest.raises(BookError, match="choose another direction"):
        finite_sample.memorise([[0.0, 1], [0, 2]], [1, 2], [1.0, 0])


def test_kinks_late_in_their_gaps_make_weights_grow_without_bound(drawn):
    X, y, a = drawn
    late = finite_sample.memorise(X, y, a, behind=0.9)
    assert np.abs(late.weights).max() > 1e30
