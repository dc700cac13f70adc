"""Kernels against quadrature, and what they promise against linear algebra."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ndtr

from helpers.oracles import wide

rng = np.random.default_rng(5)
X = rng.normal(size=(4, 3)) * np.array([[0.5], [1], [1], [2]])


def by_quadrature(softness, trained):
    """Over a grid of the two inputs, which are jointly normal."""
    grid = np.linspace(-8, 8, 1201)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    weight = np.exp(-(a**2 + b**2) / 2)
    weight /= weight.sum()
    inner = X @ X.T
    found = np.empty((4, 4))
    for i in range(4):
        for j in range(4):
            (ii, ij), (_, jj) = inner[np.ix_([i, j], [i, j])]
            h = np.sqrt(ii) * a
            rest = np.sqrt(max(jj - ij**2 / ii, 0))
            k = ij / np.sqrt(ii) * a + rest * b
            slopes = [ndtr(x / softness) for x in (h, k)]
            bumps = [
                softness * np.exp(-((x / softness) ** 2) / 2) / np.sqrt(2 * np.pi)
                for x in (h, k)
            ]
            values = [x * s + c for x, s, c in zip((h, k), slopes, bumps, strict=True)]
            of_slopes = ij * (weight * slopes[0] * slopes[1]).sum()
            of_values = (weight * values[0] * values[1]).sum()
            found[i, j] = {
                "first": of_slopes,
                "last": of_values,
                "all": of_slopes + of_values,
            }[trained]
    return found


@pytest.mark.parametrize("trained", ["first", "last", "all"])
@pytest.mark.parametrize("softness", [0.25, 1.0])
def test_the_infinite_kernel_by_quadrature(softness, trained):
    found = wide.infinite_kernel(X, softness, trained)
    assert np.allclose(found, by_quadrature(softness, trained), atol=1e-8)


@pytest.mark.parametrize("trained", ["first", "last", "all"])
def test_the_kernel_of_relus_is_the_limit_of_soft_ones(trained):
    found = wide.infinite_kernel(X, 0.0, trained)
    assert np.allclose(found, wide.infinite_kernel(X, 1e-6, trained), atol=1e-5)
    assert np.allclose(found.diagonal()[1] * 2 / (X[1] @ X[1]), 1 + (trained == "all"))


def test_the_shortest_way_is_least_squares():
    J, r = rng.normal(size=(2, 4, 9)), rng.normal(size=(2, 4))
    found = wide.shortest_way(J @ J.swapaxes(1, 2), r)
    wanted = [np.linalg.norm(np.linalg.lstsq(*p)[0]) for p in zip(J, r, strict=True)]
    assert np.allclose(found, wanted)


def test_the_promised_time_leaves_the_loss():
    steps = wide.steps_promised(0.5, np.array([0.2, 0.1]), 1e-6)
    assert np.allclose((1 - 0.5 * np.array([0.2, 0.1]) / 2) ** steps, 1e-6)


def test_at_the_sufficient_width_the_kernel_can_lose_half():
    """The Jacobian's least singular value falls by M ‖X‖ · radius/√width, to s/√2."""
    softness, y = 0.5, np.array([1.0, -1, 1, -1])
    width = wide.sufficient_width(X, y, softness)
    least, _ = wide.ends(wide.infinite_kernel(X, softness))
    s = np.sqrt(least)
    radius = np.linalg.norm(y) / (s / np.sqrt(2))
    h = np.linspace(-3, 3, 100_001)
    curved = np.abs(np.gradient(ndtr(h / softness), h)).max()
    lost = curved * np.linalg.norm(X, 2) * radius / np.sqrt(width)
    assert np.isclose(s - lost, s / np.sqrt(2), rtol=1e-4)


@pytest.mark.parametrize("stretch", [1.0, 2.0])
def test_one_example_by_its_flow(stretch):
    width, label = 4, 1.5
    u, v = np.array([1.0, 1, 1, 1]), np.array([1.0, 1, -1, -1])

    def speed(_, theta):
        u, v = theta.reshape(2, width)
        missing = label - u @ v / np.sqrt(width) / stretch
        return np.concatenate([v, u]) * missing * stretch / np.sqrt(width)

    start = np.concatenate([u, v])
    end = solve_ivp(speed, (0, 60), start, rtol=1e-11, atol=1e-12).y[:, -1]
    ratio = (end @ end) / (start @ start)
    assert np.isclose(wide.one_example(width, label, stretch), ratio)
