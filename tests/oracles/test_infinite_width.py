"""Kernels of infinite width, compared with many drawn units and with scikit-learn."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression

from helpers.oracles import infinite_width as oracle


@pytest.fixture
def points():
    draw = np.random.default_rng(0)
    return draw.normal(size=(6, 3)), draw.normal(size=(4, 3))


@pytest.fixture
def drawn(points):
    """What a million units, drawn with their biases, see of both."""
    weights = np.random.default_rng(1).normal(size=(1_000_000, 4))
    return [np.c_[some, np.ones(len(some))] @ weights.T for some in points]


def test_last_layer_is_the_mean_over_drawn_units(points, drawn):
    X, Z = (np.maximum(seen, 0) for seen in drawn)
    mean = X @ Z.T / X.shape[1]
    assert oracle.last_layer_kernel(*points) == pytest.approx(mean, rel=0.01, abs=0.01)


def test_tangent_kernel_adds_that_of_the_first_layer(points, drawn):
    X, Z = ((seen > 0).astype(float) for seen in drawn)
    both_on = X @ Z.T / X.shape[1]
    products = points[0] @ points[1].T + 1
    added = oracle.tangent_kernel(*points) - oracle.last_layer_kernel(*points)
    assert added == pytest.approx(both_on * products, rel=0.01, abs=0.01)


def test_shortest_fit_is_ridge_without_ridge(points):
    X, Z = points
    Y = np.random.default_rng(2).normal(size=(6, 2))
    among, across = (oracle.tangent_kernel(some, X) for some in (X, Z))
    peer = KernelRidge(alpha=1e-12, kernel="precomputed").fit(among, Y)
    assert oracle.shortest_fit(among, across, Y) == pytest.approx(
        peer.predict(across), rel=1e-6
    )


@pytest.mark.parametrize("features", [3, 12])
def test_features_fit_is_least_squares_or_the_shortest(features):
    draw = np.random.default_rng(3)
    X, Z, Y = (draw.normal(size=shape) for shape in ((6, features), (4, features), 6))
    peer = LinearRegression(fit_intercept=False).fit(X, Y)
    assert oracle.features_fit(X, Z, Y) == pytest.approx(peer.predict(Z))
