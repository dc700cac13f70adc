"""Closed forms against other people's solvers and against brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize

from helpers.oracles import least_squares

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 6, 15))
Y = RANDOM.normal(size=(3, 6))


def test_minimum_norm_is_lstsq():
    expected = [np.linalg.lstsq(x, y, rcond=None)[0] for x, y in zip(X, Y, strict=True)]
    assert least_squares.minimum_norm(X, Y) == pytest.approx(
        np.array(expected), abs=1e-12
    )


def test_nearest_interpolator_is_nearer_than_any_other():
    start = RANDOM.normal(size=(3, 15))
    nearest = least_squares.nearest_interpolator(X, Y, start)
    assert np.einsum("snd,sd->sn", X, nearest) == pytest.approx(Y, abs=1e-12)
    null = np.linalg.svd(X)[2][:, 6:]
    for _ in range(20):
        step = np.einsum("sk,skd->sd", RANDOM.normal(size=(3, 9)), null)
        farther = np.linalg.norm(nearest + step - start, axis=1)
        assert (farther > np.linalg.norm(nearest - start, axis=1)).all()


def test_weighted_minimum_norm_against_a_general_solver():
    metric = np.geomspace(0.1, 10, 15)
    found = least_squares.weighted_minimum_norm(X[0], Y[0], metric)
    answer = minimize(
        lambda w: (w**2 / metric).sum(),
        np.zeros(15),
        jac=lambda w: 2 * w / metric,
        constraints={
            "type": "eq",
            "fun": lambda w: X[0] @ w - Y[0],
            "jac": lambda w: X[0],
        },
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found == pytest.approx(answer.x, abs=1e-5)


def test_basis_pursuit_recovers_a_sparse_signal_and_beats_others():
    design = RANDOM.normal(size=(30, 80))
    signal = np.zeros(80)
    signal[[3, 40, 77]] = 1, -2, 0.5
    found = least_squares.basis_pursuit(design, design @ signal)
    assert found == pytest.approx(signal, abs=1e-9)
    shortest = least_squares.minimum_norm(design, design @ signal)
    assert np.abs(found).sum() < np.abs(shortest).sum()


def test_off_span():
    inside = np.einsum("snd,sn->sd", X, Y)
    assert least_squares.off_span(X, inside) == pytest.approx(np.zeros(3), abs=1e-14)
    outside = np.linalg.svd(X)[2][:, 10]
    assert least_squares.off_span(X, outside) == pytest.approx(np.ones(3))


def test_slowest_contraction_is_the_iteration_matrix_on_the_span():
    rate = 0.01
    matrix = np.eye(6) - rate * X[0] @ X[0].T
    expected = np.abs(np.linalg.eigvalsh(matrix)).max()
    assert least_squares.slowest_contraction(X[:1], rate)[0] == pytest.approx(expected)


def test_slowest_direction_is_the_last_eigenvector_of_the_span():
    v = least_squares.slowest_direction(X[0])
    values, vectors = np.linalg.eigh(X[0].T @ X[0])
    assert abs(v @ vectors[:, -6]) == pytest.approx(1)
    assert X[0].T @ (X[0] @ v) == pytest.approx(values[-6] * v, abs=1e-12)


def test_ridge_is_scikit_learns():
    from sklearn.linear_model import Ridge

    ours = least_squares.ridge(X[0], Y[0], 0.3)
    theirs = Ridge(alpha=0.3, fit_intercept=False, tol=1e-12).fit(X[0], Y[0]).coef_
    assert ours == pytest.approx(theirs, abs=1e-8)


def test_filter_is_the_iterated_formula_and_tends_to_the_minimum_norm():
    rate, w = 0.01, np.zeros(15)
    for _ in range(7):
        w = w - rate * X[0].T @ (X[0] @ w - Y[0])
    found = least_squares.gradient_descent_filter(X[0], Y[0], rate, 7)
    assert found == pytest.approx(w, abs=1e-12)
    late = least_squares.gradient_descent_filter(X[0], Y[0], rate, 10**7)
    assert late == pytest.approx(least_squares.minimum_norm(X[0], Y[0]), abs=1e-10)


def test_risk_against_fresh_examples():
    spread, signal = np.array([3.0, 1, 0.5]), np.array([1.0, -1, 2])
    w = np.array([0.5, 0, 1])
    x = RANDOM.normal(size=(200_000, 3)) * spread
    expected = ((x @ (w - signal)) ** 2).mean() / ((x @ signal) ** 2).mean()
    assert least_squares.risk(w, signal, spread) == pytest.approx(expected, rel=0.02)
    assert least_squares.risk(np.zeros(3), signal, spread) == pytest.approx(1)


def test_ridgeless_risk_has_its_known_special_cases():
    signal = np.zeros(1000)
    signal[0] = 1
    isotropic = least_squares.ridgeless_risk(np.ones(1000), signal, 100)
    assert isotropic == pytest.approx(0.9, abs=1e-9)
    hidden = np.ones(1000)
    hidden[0] = 1e-6
    useless = least_squares.ridgeless_risk(hidden, signal * 1e6, 100)
    assert useless == pytest.approx(1 / (1 - 100 / 999), rel=1e-6)


def test_ridgeless_risk_against_simulation():
    spread = np.geomspace(3, 0.3, 400)
    signal = RANDOM.normal(size=400)
    draws = RANDOM.normal(size=(20, 100, 400)) * spread
    w = least_squares.minimum_norm(draws, draws @ signal)
    simulated = least_squares.risk(w, signal, spread)
    interval = 3 * simulated.std() / 20**0.5
    predicted = least_squares.ridgeless_risk(spread, signal, 100)
    assert predicted == pytest.approx(simulated.mean(), abs=interval + 0.01)


def test_the_shortest_function_of_a_kernel_is_a_gaussian_process_without_noise():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    points, values, new = (RANDOM.normal(size=(n, 4)) for n in (12, 12, 5))
    apart = ((points[:, None] - points) ** 2).sum(-1)
    typical = np.median(apart[np.triu_indices(12, 1)])
    kernel = RBF((typical / (2 * 1.5)) ** 0.5)
    other = GaussianProcessRegressor(kernel, optimizer=None, alpha=0)
    other.fit(points, values)
    found, norm = least_squares.kernel_interpolator(points, values, new, 1.5)
    assert found == pytest.approx(other.predict(new), abs=1e-9)
    square = np.trace(values.T @ np.linalg.inv(kernel(points)) @ values)
    assert norm == pytest.approx(square**0.5)


def test_sharpness_in_another_metric_is_that_of_the_dense_hessian():
    scale = RANDOM.uniform(0.1, 2, size=15)
    hessian = X[1].T @ X[1] / np.sqrt(np.outer(scale, scale))
    expected = np.linalg.eigvalsh(hessian).max()
    assert least_squares.sharpness_in(X, scale)[1] == pytest.approx(expected)


@pytest.mark.parametrize("fast", [0, 0.5, 0.9])
def test_beyond_adams_edge_steps_along_a_running_mean_grow(fast):
    def sizes(product):
        w, mean = 1.0, 0.0
        for _ in range(2000):
            mean = fast * mean + (1 - fast) * w
            w -= product * mean
        return abs(w)

    edge = least_squares.adam_edge(fast)
    assert sizes(0.98 * edge) < 1e-3 < 1e3 < sizes(1.02 * edge)
