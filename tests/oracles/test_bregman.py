import numpy as np
import pytest
from scipy.optimize import minimize

from helpers.oracles import bregman, least_squares

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 6))
START = RNG.normal(size=(2, 6))
Y = RNG.normal(size=(2, 3))


def power(w):
    return (np.abs(w) ** 1.5).sum() / 1.5


def hypentropy(w):
    return (w * np.arcsinh(w / 0.3) - np.sqrt(w**2 + 0.09)).sum()


@pytest.mark.parametrize(
    ("potential", "value"),
    [(bregman.power(1.5), power), (bregman.hypentropy(0.3), hypentropy)],
)
def test_no_other_solution_has_a_smaller_divergence(potential, value):
    found = bregman.least_divergence(X, Y, START, potential)
    for A, y, start, w in zip(X, Y, START, found, strict=True):
        slope = potential.slope(start)
        fit = {"type": "eq", "fun": lambda v, A=A, y=y: A @ v - y}
        nearest = least_squares.nearest_interpolator(A, y, start)
        best = minimize(
            lambda v, slope=slope: value(v) - slope @ v,
            nearest,
            constraints=fit,
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(w, best.x, atol=2e-5)
        np.testing.assert_allclose(A @ w, y, atol=1e-12)
    assert bregman.missed(X, Y, START, found, potential).max() < 1e-10


def test_of_the_square_it_is_the_nearest_solution():
    found = bregman.least_divergence(X, Y, START, bregman.power(2))
    expected = least_squares.nearest_interpolator(X, Y, START)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_on_the_simplex_it_has_the_least_relative_entropy():
    hidden = np.array([RNG.dirichlet(np.ones(6)) for _ in X])
    y = np.einsum("snd,sd->sn", X, hidden)
    even = np.full((2, 6), 1 / 6)
    potential = bregman.entropy_on_simplex()
    found = bregman.least_divergence(X, y, even, potential)
    np.testing.assert_allclose(found.sum(-1), 1)
    for A, b, w, inside in zip(X, y, found, hidden, strict=True):
        rows = np.vstack([A, np.ones(6)])
        goal = np.append(b, 1)
        best = minimize(
            lambda v: (v * np.log(v)).sum(),
            inside,
            constraints={"type": "eq", "fun": lambda v, r=rows, g=goal: r @ v - g},
            bounds=[(1e-12, None)] * 6,
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(w, best.x, atol=2e-5)
    assert bregman.missed(X, y, even, found, potential).max() < 1e-10
    assert bregman.missed(X, y, even, hidden, potential).min() > 1e-3


def test_what_does_not_fit_or_left_the_span_misses():
    potential = bregman.hypentropy(0.3)
    found = bregman.least_divergence(X, Y, START, potential)
    other = least_squares.nearest_interpolator(X, Y, START)
    assert bregman.missed(X, Y, START, other, potential).min() > 1e-3
    assert bregman.missed(X, Y + 0.1, START, found, potential).min() > 0.09
