"""The regularised loss against its series and the Lyapunov equation."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from helpers.dials import BookError
from helpers.oracles.regularised_loss import (
    curvatures_at,
    drift,
    log_penalty,
    noise_scale,
    resting_point,
    settling_rate,
    stationary_variance,
    trace_penalty,
)

VALLEY = [[1.6, 1, 0.5], [0.9, -1, 0.5]]


@pytest.mark.parametrize("momentum", [0, 0.5, 0.9])
@pytest.mark.parametrize("curvature", [0.2, 1.0, 3.0])
def test_the_variance_solves_the_lyapunov_equation(momentum, curvature):
    """Of heavy ball on ½hx² with gradient noise of variance σ²h/B."""
    rate, noise, batch = 0.5, 0.3, 4
    step = np.array(
        [[1 + momentum - rate * curvature, -momentum], [1, 0]]
    )  # of (x_k, x_{k-1})
    kick = np.zeros((2, 2))
    kick[0, 0] = rate**2 * noise**2 / batch * curvature
    exact = solve_discrete_lyapunov(step, kick)[0, 0]
    scale = noise_scale(rate, noise, batch, momentum)
    found = stationary_variance(curvature, rate, scale, momentum)
    assert found == pytest.approx(exact, rel=1e-10)


def test_the_penalty_is_a_quarter_of_the_trace_at_small_rates():
    h = np.array([3.0, 1.0, 0.5])
    assert log_penalty(1e-7)(h) == pytest.approx(h.sum() / 4, rel=1e-6)
    assert trace_penalty(h) == pytest.approx(h.sum() / 4)


def test_the_penalty_has_the_series_of_the_logarithm():
    h, rate = np.array([0.3, 0.8]), 0.4
    series = sum((rate / 2) ** k * h**k / k for k in range(1, 60)).sum() / (2 * rate)
    assert log_penalty(rate)(h) == pytest.approx(series, rel=1e-12)


def test_momentum_halves_the_rate_inside_and_not_outside():
    """R(η, β) is R at η/(1 + β), as −(1+β)/2η is −1/2η of that rate."""
    h = np.array([2.0, 0.1])
    with_momentum = log_penalty(0.9, 0.5)(h)
    assert with_momentum == pytest.approx(log_penalty(0.9 / 1.5)(h))


def test_the_gradient_of_the_penalty_is_the_drift_that_the_covariance_causes():
    """−½∇³L[S] = −λ∇R, with L = ½h(t)x²: −½h′S."""
    rate, t = 0.9, 0.2
    h = curvatures_at(VALLEY, t)
    slopes = np.array([1 + t, t - 1])
    s = stationary_variance(h, rate, 1.0)
    ahead, behind = (
        log_penalty(rate)(curvatures_at(VALLEY, t + e)) for e in (1e-6, -1e-6)
    )
    assert (ahead - behind) / 2e-6 == pytest.approx((slopes * s).sum() / 2, rel=1e-7)


def test_curvatures_along_a_valley():
    found = curvatures_at(VALLEY, [0.0, 2.0])
    np.testing.assert_allclose(found, [[1.6, 0.9], [5.6, 0.9]])


def test_the_trace_is_least_in_the_middle_and_the_logarithm_elsewhere():
    assert resting_point(VALLEY, trace_penalty) == pytest.approx(0, abs=1e-7)
    at = resting_point(VALLEY, log_penalty(0.9))
    grid = np.linspace(-0.5, 0.5, 100_001)
    values = log_penalty(0.9)(curvatures_at(VALLEY, grid))
    assert at == pytest.approx(grid[values.argmin()], abs=2e-5)


def test_the_drift_under_the_trace_is_exponential():
    """tr H = 2.5 + t², so dt/dτ = −t/2."""
    times = [0.0, 0.5, 3.0]
    path = drift(VALLEY, trace_penalty, 0.8, times)
    np.testing.assert_allclose(path, 0.8 * np.exp(-np.array(times) / 2), rtol=1e-6)
    rate = settling_rate(VALLEY, trace_penalty)
    assert rate == pytest.approx(0.5, rel=1e-5)


def test_an_unstable_curvature_has_no_variance_and_an_infinite_penalty():
    assert log_penalty(1.0)(np.array([0.5, 2.0])) == np.inf
    with pytest.raises(BookError, match=r"take a rate below 0\.968"):
        stationary_variance([0.5, 3.1], 1.0, 1.0, momentum=0.5)
