"""The flows' closed forms against general solvers, and against each other."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from helpers.oracles import diagonal, least_squares

RANDOM = np.random.default_rng(0)
SIGNS = RANDOM.choice([-1.0, 1.0], size=(3, 5, 12))
NORMAL = RANDOM.normal(size=(3, 5, 12))
Y = RANDOM.normal(size=(3, 5))


def flow_of_the_loss(Z, y, start, depth=2):
    """Gradient flow on u and v by a general solver; they start alike, or as a pair."""

    def velocity(_, parameters):
        u, v = np.split(parameters, 2)
        pull = depth * Z.T @ (Z @ (u**depth - v**depth) - y)
        return np.concatenate([-pull * u ** (depth - 1), pull * v ** (depth - 1)])

    start = np.broadcast_to(np.reshape(start, (-1, 1)), (2, Z.shape[1])).ravel()
    how = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13}
    u, v = np.split(solve_ivp(velocity, (0, 200), start, **how).y[:, -1], 2)
    return u**depth - v**depth


def flow_of_the_trace(Z, y, scale, time):
    """Steepest descent of a quarter of tr H within the solutions, from their flow."""
    d = Z.shape[1]
    a = np.square(Z).mean(0)
    beta = 2 * scale**2
    w = diagonal.flow_limit(Z, y, np.log(beta))
    u = np.sqrt((np.hypot(w, beta) + w) / 2)
    v = np.sqrt((np.hypot(w, beta) - w) / 2)

    def velocity(_, parameters):
        u, v = parameters[:d], parameters[d:]
        normal = np.hstack([2 * Z * u, -2 * Z * v])
        pull = -2 * np.concatenate([a * u, a * v])
        return pull - np.linalg.pinv(normal) @ (normal @ pull)

    how = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13}
    start = np.concatenate([u, v])
    u, v = np.split(solve_ivp(velocity, (0, time), start, **how).y[:, -1], 2)
    return u * u - v * v


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_flow_limit_is_where_the_flow_ends(scale):
    expected = flow_of_the_loss(NORMAL[0], Y[0], scale)
    found = diagonal.flow_limit(NORMAL[0], Y[0], np.log(2 * scale**2))
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("turned", [-0.7, 1.2])
def test_flow_limit_from_u_that_is_not_v(turned):
    start = 0.6 * np.exp([turned / 2, -turned / 2])
    expected = flow_of_the_loss(NORMAL[0], Y[0], start)
    phi = np.full(NORMAL.shape[-1], turned)
    found = diagonal.flow_limit(NORMAL[0], Y[0], np.log(2 * 0.6**2), phi)
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("depth", [3, 4])
def test_deep_flow_limit_is_where_the_deeper_flow_ends(depth):
    expected = flow_of_the_loss(NORMAL[0], Y[0], 0.8, depth)
    found = diagonal.deep_flow_limit(NORMAL[0], Y[0], 0.8, depth)
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("Z", [SIGNS[0], NORMAL[0]], ids=["signs", "normal"])
def test_label_noise_is_the_flow_of_the_trace(Z):
    depth = diagonal.label_noise_log_beta(Z, 0.0, 0.7)
    found = diagonal.flow_limit(Z, Y[0], depth)
    assert found == pytest.approx(flow_of_the_trace(Z, Y[0], 0.5**0.5, 0.7), abs=1e-7)


def test_flow_limit_is_the_least_potential_of_all_solutions():
    """Q of Woodworth et al.: scale² Σ q(w/scale²)."""
    scale = 0.4
    w = diagonal.flow_limit(NORMAL[0], Y[0], np.log(2 * scale**2))
    free = np.linalg.svd(NORMAL[0])[2][5:]

    def along(c):
        x = (w + c @ free) / scale**2
        q = 2 - np.sqrt(4 + x**2) + x * np.arcsinh(x / 2)
        return scale**2 * q.sum()

    best = minimize(along, np.zeros(7), method="BFGS", options={"gtol": 1e-9})
    assert np.abs(best.x).max() < 1e-6
    assert along(np.full(7, 0.1)) > along(np.zeros(7))


def test_flow_limit_from_shallow_to_deep():
    for log_beta in (20, 0, -50, -700, -4000):
        w = diagonal.flow_limit(NORMAL, Y, log_beta)
        assert (NORMAL @ w[..., None])[..., 0] == pytest.approx(Y, abs=1e-9)
    shortest = least_squares.minimum_norm(NORMAL, Y)
    assert diagonal.flow_limit(NORMAL, Y, 20) == pytest.approx(shortest, abs=1e-8)
    pairs = zip(NORMAL, Y, strict=True)
    sparsest = np.stack([least_squares.basis_pursuit(*pair) for pair in pairs])
    assert diagonal.flow_limit(NORMAL, Y, -4000) == pytest.approx(sparsest, abs=1e-8)


def test_flow_limit_takes_any_shape():
    depths = np.array([-1.0, -5.0])
    together = diagonal.flow_limit(NORMAL, Y, depths[:, None, None])
    assert together.shape == (2, 3, 12)
    alone = diagonal.flow_limit(NORMAL[1], Y[1], -5.0)
    assert together[1, 1] == pytest.approx(alone, abs=1e-10)
    blank = np.concatenate([NORMAL, np.zeros_like(NORMAL[:, :2])], axis=1)
    zeros = np.concatenate([Y, np.zeros_like(Y[:, :2])], axis=1)
    assert diagonal.flow_limit(blank, zeros, -5.0)[1] == pytest.approx(alone, abs=1e-9)


def test_equations_without_a_solution_are_refused():
    with pytest.raises(ValueError, match="do these equations have one"):
        diagonal.flow_limit(np.ones((2, 3)), np.array([1.0, 2.0]), 0.0)


def test_label_noise_ends_at_the_weighted_norm_and_no_other():
    for Z, y in zip(NORMAL, Y, strict=True):
        a = diagonal.mean_square(Z)
        end = diagonal.weighted_basis_pursuit(Z, y, a)
        late = diagonal.flow_limit(Z, y, diagonal.label_noise_log_beta(Z, 0.0, 1000))
        assert late == pytest.approx(end, abs=1e-9)
        assert (a * np.abs(end)).sum() <= (
            a * np.abs(least_squares.basis_pursuit(Z, y))
        ).sum()


def test_trace_is_that_of_the_hessian():
    torch = pytest.importorskip("torch")
    Z, y, depth = NORMAL[0], Y[0], -0.3
    w = diagonal.flow_limit(Z, y, depth)
    u = np.sqrt((np.hypot(w, np.exp(depth)) + w) / 2)
    v = np.sqrt((np.hypot(w, np.exp(depth)) - w) / 2)
    inputs, labels = torch.tensor(Z), torch.tensor(y)

    def loss(both):
        left, right = both.chunk(2)
        return (inputs @ (left**2 - right**2) - labels).square().mean() / 2

    at = torch.tensor(np.concatenate([u, v]))
    hessian = torch.autograd.functional.hessian(loss, at)
    assert diagonal.trace(Z, w, depth) == pytest.approx(hessian.trace().item())


def test_slack_predicts_the_approach():
    pairs = list(zip(NORMAL, Y, strict=True))
    for Z, y in pairs:
        best = least_squares.basis_pursuit(Z, y)
        gaps = [
            np.abs(diagonal.flow_limit(Z, y, depth) - best).max()
            for depth in (-100.0, -150.0)
        ]
        if min(gaps) > 1e-12:
            power = np.log(gaps[0] / gaps[1]) / 50
            assert power == pytest.approx(diagonal.slack(Z, best), abs=0.02)


def test_slack_by_hand():
    Z = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    assert diagonal.slack(Z, [1, 0, 0]) == pytest.approx(2 / 3)
    assert diagonal.slack(Z, [1, 0, 1]) == pytest.approx(0)
    assert diagonal.slack(Z, [1, 0, 1], [1, 1.5, 1]) == pytest.approx(0.5)


def test_the_shortest_certificate_has_no_more_slack():
    """By hand: the shortest ξ for the first weight alone is its own example's."""
    Z = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    assert diagonal.shortest_slack(Z, [1, 0, 0]) == pytest.approx(0.5)
    for z, y in zip(NORMAL, Y, strict=True):
        best = least_squares.basis_pursuit(z, y)
        assert diagonal.shortest_slack(z, best) <= diagonal.slack(z, best) + 1e-9


def test_recovery_threshold_is_that_of_a_scan():
    Z = RANDOM.choice([-1.0, 1.0], size=(6, 20, 30))
    signal = np.zeros((6, 30))
    signal[:, :2] = 1
    found = diagonal.recovery_threshold(Z, signal, -20.0, 0.1)
    for z, w, n in zip(Z, signal, found, strict=True):
        share = [
            diagonal.share_missed(diagonal.flow_limit(z[:k], z[:k] @ w, -20.0), w)
            for k in (n - 1, n)
        ]
        assert share[0] > 0.1 >= share[1]


def test_recovery_threshold_says_when_there_are_too_few():
    Z = RANDOM.choice([-1.0, 1.0], size=(1, 3, 30))
    signal = np.zeros((1, 30))
    signal[:, :3] = 1
    assert diagonal.recovery_threshold(Z, signal, -5.0, 0.1) == [4]


@pytest.mark.parametrize("kind", [float, np.float32])
def test_minimum_norm_misses_at_each_number_of_examples(kind):
    signal = RANDOM.normal(size=(3, 12))
    found = diagonal.minimum_norm_misses(SIGNS.astype(kind), signal)
    for n in range(1, 6):
        few = SIGNS[:, :n]
        w = least_squares.minimum_norm(few, (few @ signal[..., None])[..., 0])
        assert found[:, n - 1] == pytest.approx(diagonal.share_missed(w, signal))


def test_statistical_dimension_by_simulation():
    """The mean squared distance of a Gaussian to the cone of the ℓ1 norm's rise."""
    d, kappa = 200, 5
    draws = np.random.default_rng(1).normal(size=(2000, d))
    levels = np.linspace(0.5, 4, 50)
    off = [np.maximum(np.abs(draws[:, kappa:]) - t, 0) ** 2 for t in levels]
    beyond = np.array([each.sum(1).mean() for each in off])
    expected = (kappa * (1 + levels**2) + beyond).min()
    found = diagonal.statistical_dimension(d, kappa)
    assert found == pytest.approx(expected, rel=0.02)
    assert diagonal.statistical_dimension([50, 100], 4).shape == (2,)


def test_finite_rate_time_tends_to_the_limits():
    Z, times = SIGNS[:1], np.array([0.1, 0.5])
    tiny = diagonal.finite_rate_time(Z, Y[:1], 0.0, 1e-7, times)
    assert tiny[:, 0] == pytest.approx(times, rel=1e-4)
    small, smaller = (
        diagonal.finite_rate_time(Z, Y[:1], 0.0, rate, times)[:, 0] - times
        for rate in (2e-3, 1e-3)
    )
    assert (small > 0).all()
    assert small / smaller == pytest.approx([2, 2], rel=0.1)


@pytest.mark.parametrize("constant", [True, False])
def test_valley_drift_solves_its_equation(constant):
    """Written without x′: x − ηeˣ/2 or e⁻ˣ + ηx/2 changes evenly in time."""
    start, rate, time = 1.5, 0.2, 0.7
    end = start + diagonal.valley_drift(start, time, rate, constant=constant)
    if constant:
        kept = [x - rate * np.exp(x) / 2 for x in (start, end)]
    else:
        kept = [-np.exp(-x) - rate * x / 2 for x in (start, end)]
    assert kept[0] - kept[1] == pytest.approx(time / 4, rel=1e-6)


def test_the_factor_of_a_step_is_the_variance_that_a_step_keeps():
    rate, h, var = 0.3, 2.5, 0.0
    for _ in range(200):
        var = (1 - rate * h) ** 2 * var + rate**2
    continuous = rate / (2 * h)
    assert diagonal.step_factor(h, rate) == pytest.approx(var / continuous)
    small = diagonal.to_first_order(h, 1e-4) - diagonal.step_factor(h, 1e-4)
    assert abs(small) < 1e-7
