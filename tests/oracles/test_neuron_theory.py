"""The shortest fit against a general-purpose solver, balance against its parts."""

import numpy as np
import pytest
from scipy.optimize import minimize

from helpers.oracles import neuron
from helpers.problems.linear import LeastSquares
from helpers.problems.neuron import hidden_start, one_zero, random_labels

X, Y = random_labels(range(6), 3, 4, 8)


def test_the_shortest_fit_by_a_general_solver():
    found = neuron.shortest_fit(X, Y)
    for w, x, y in zip(found, X.numpy(), Y.numpy(), strict=True):
        sides = [
            {"type": "eq", "fun": lambda v, x=x, y=y: x[:3] @ v - y[:3]},
            {"type": "ineq", "fun": lambda v, x=x: -x[3:] @ v},
        ]
        start = np.linalg.pinv(x) @ y
        best = minimize(lambda v: v @ v, start, constraints=sides, tol=1e-12)
        assert best.success
        assert np.allclose(w, best.x, atol=1e-5)


def test_the_shortest_fit_fits_and_a_shorter_one_does_not():
    w = neuron.shortest_fit(X, Y)
    assert neuron.misfit(X, Y, w).max() < 1e-9
    assert neuron.misfit(X, Y, 0.99 * w).min() > 1e-4


def test_the_shortest_fit_of_the_example_by_hand():
    assert np.allclose(neuron.shortest_fit(*one_zero([1, 20])), [[5, -1, 0]] * 2)


def test_the_shortest_separator_by_a_general_solver():
    found = neuron.shortest_separator(X, Y)
    for w, x in zip(found, X.numpy(), strict=True):
        sides = [
            {"type": "ineq", "fun": lambda v, x=x: x[:3] @ v - 1},
            {"type": "ineq", "fun": lambda v, x=x: -x[3:] @ v},
        ]
        start = np.linalg.pinv(x) @ np.repeat([1.0, 0], [3, 4])
        best = minimize(lambda v: v @ v, start, constraints=sides, tol=1e-12)
        assert best.success
        assert np.allclose(w, best.x, atol=1e-5)


def test_labels_that_no_weights_fit_are_told():
    twice = LeastSquares(np.array([[[1.0, 0], [1, 0]]]), np.array([[1.0, 0]]))
    with pytest.raises(ValueError, match="meet these labels"):
        neuron.shortest_fit(*twice)


def test_misfit_is_the_worst_error_and_forgives_what_is_below_zero():
    problem = one_zero([2])
    assert neuron.misfit(*problem, [5, -1, -7]) == pytest.approx(0)
    assert neuron.misfit(*problem, [5, -1, 2]) == pytest.approx(2)
    assert neuron.misfit(*problem, [4, -1, 0]) == pytest.approx(4)


def test_balance_of_each_neuron():
    rows = hidden_start(range(3), 4, 2).numpy()
    into, out = np.linalg.norm(rows[..., :2], axis=-1), rows[..., 2]
    assert np.allclose(neuron.balance(rows), into**2 - out**2)
