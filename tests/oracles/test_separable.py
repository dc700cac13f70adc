"""The largest margin and the flow against other people's solvers and brute force."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize
from scipy.special import expit

from helpers.oracles import separable
from helpers.problems import linear

RANDOM = np.random.default_rng(0)
CENTRE = np.array([3.0, 0, 0])
Z = RANDOM.normal(size=(4, 20, 3)) + CENTRE
BEST = separable.maximum_margin(Z)
LOPSIDED = np.array([[[1, 0.2], [0.3, 2]]])
FIGURE_ONE = np.array([[[0.5, 1.5], [1.5, 0.5]]])
TOUCHING = np.array([[[1.0, 0], [1, 1]]])


def test_maximum_margin_is_optimal_and_is_scikit_learns():
    from sklearn.svm import SVC

    assert separable.optimality(Z, BEST).max() < 1e-10
    for z, w in zip(Z, BEST.w, strict=True):
        both = np.vstack([z, -z])  # symmetric, so that the intercept vanishes
        labels = np.repeat([1, -1], len(z))
        theirs = SVC(C=1e10, kernel="linear", tol=1e-10).fit(both, labels)
        assert theirs.coef_[0] == pytest.approx(w, abs=1e-4)


def test_duals_and_margin_of_a_problem_by_hand():
    best = separable.maximum_margin(FIGURE_ONE)
    assert best.w[0] == pytest.approx([0.5, 0.5])
    assert best.duals[0] == pytest.approx([0.25, 0.25])
    assert best.margin[0] == pytest.approx(2**0.5)
    degenerate = separable.maximum_margin(TOUCHING)
    assert degenerate.w[0] == pytest.approx([1, 0])
    assert degenerate.duals[0] == pytest.approx([1, 0])


def test_optimality_sees_what_is_not():
    worse = separable.MaximumMargin(BEST.w * 1.001, BEST.duals)
    assert separable.optimality(Z, worse).min() > 1e-5


def test_data_that_overlap_have_no_margin():
    with pytest.raises(ValueError, match="no plane"):
        separable.maximum_margin(np.array([[[1.0, 0], [-1, 0.0]]]))


def test_next_margin_leaves_the_support_out():
    margins = np.sort(Z[0] @ BEST.w[0])
    following = margins[BEST.support[0].sum()]
    assert separable.next_margin(Z, BEST)[0] == pytest.approx(following)


def test_flow_is_that_of_a_general_solver():
    def velocity(t, w):
        return expit(-Z[0] @ w) @ Z[0]

    how = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}
    expected = solve_ivp(velocity, (0, 50), np.zeros(3), **how).y[:, -1]
    found = separable.logistic_flow(Z[:1], [0, np.log(50)])[1, 0]
    assert found == pytest.approx(expected, abs=1e-7)


def test_flow_reaches_its_constants():
    s = 4300 * np.log(10)
    w = separable.logistic_flow(LOPSIDED, [s])[0]
    best = separable.maximum_margin(LOPSIDED)
    rho = w - s * best.w
    assert rho == pytest.approx(separable.residual_limit(LOPSIDED, best), abs=1e-8)
    gap = best.margin - separable.margin(LOPSIDED, w)
    assert gap * s == pytest.approx(separable.gap_constant(best), rel=5e-3)
    unit = w / np.linalg.norm(w) - best.w * best.margin
    expected = separable.direction_constant(best, rho)
    assert np.linalg.norm(unit) * s == pytest.approx(expected, rel=5e-3)
    loss = np.exp(s + separable.log_loss(LOPSIDED, w))
    assert loss == pytest.approx(best.margin**-2, rel=1e-8)


def test_limit_of_the_residual_by_its_equation():
    best = separable.maximum_margin(LOPSIDED)
    limit = separable.residual_limit(LOPSIDED, best, 0.3)[0]
    assert 0.3 * np.exp(-LOPSIDED[0] @ limit) == pytest.approx(best.duals[0])


def test_equal_duals_leave_no_gap_constant():
    best = separable.maximum_margin(FIGURE_ONE)
    assert separable.dual_entropy(best) == pytest.approx(np.log(2))
    assert separable.gap_constant(best) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("data", [FIGURE_ONE, LOPSIDED], ids=["figure 1", "lopsided"])
def test_settling_exponent_is_measured(data):
    best = separable.maximum_margin(data)
    exponent = separable.settling_exponent(data, best)[0]
    matrix = (data[0].T * best.duals[0]) @ data[0]
    assert exponent == pytest.approx(np.linalg.eigvalsh(matrix)[0])
    if data is FIGURE_ONE:
        assert exponent == pytest.approx(0.25)


def test_minimiser_of_overlapping_data():
    data = RANDOM.normal(size=(2, 60, 3)) + CENTRE / 10
    w = separable.logistic_minimiser(data)
    slope = np.einsum("sn,snd->sd", expit(-np.einsum("snd,sd->sn", data, w)), data)
    assert np.abs(slope).max() < 1e-8


@pytest.mark.parametrize("power", [1, 3, 10])
def test_tail_direction_against_a_search_over_directions(power):
    def height(angle):
        v = np.array([np.cos(angle[0]), np.sin(angle[0])])
        return np.log(((LOPSIDED[0] @ v) ** -float(power)).sum())

    angle = minimize(height, [0.5], method="Nelder-Mead", options={"xatol": 1e-9}).x[0]
    found = separable.tail_direction(LOPSIDED, power)[0]
    assert found == pytest.approx([np.cos(angle), np.sin(angle)], abs=1e-6)


def test_box_separator_against_a_grid():
    edge = np.linspace(-1, 1, 4001)
    one = np.ones_like(edge)
    sides = [(one, edge), (-one, edge), (edge, one), (edge, -one)]
    corners = np.concatenate([np.stack(side, 1) for side in sides])
    expected = (corners @ LOPSIDED[0].T).min(1).max()
    found = separable.box_separator(LOPSIDED)
    assert np.abs(found).max() <= 1
    assert separable.margin(LOPSIDED, found, np.inf)[0] == pytest.approx(
        expected, abs=1e-3
    )


def test_metric_separator_is_where_descent_in_the_metric_leads():
    metric = np.array([[0.2, 3.0]])
    w = separable.metric_separator(LOPSIDED, metric)[0]
    assert (LOPSIDED[0] @ w).min() == pytest.approx(1)
    found = minimize(
        lambda w: (metric[0] * w**2).sum(),
        w + 0.3,
        constraints={"type": "ineq", "fun": lambda w: LOPSIDED[0] @ w - 1},
    )
    assert w == pytest.approx(found.x, abs=1e-5)


def test_adam_grows_as_far_as_its_memory_lets_it():
    small, large = separable.adam_growth([1e-4, 1e3], 1.0, (0.0, 0.99))
    assert small == pytest.approx(1e-4, rel=0.02)  # hardly held back
    assert large == pytest.approx(np.log(1 / 0.99) / 2, rel=1e-3)
    (growth,) = separable.adam_growth([2.0], 0.003, (0.0, 0.99))
    ages = np.arange(20_000)
    square = (0.01 * 0.99**ages * np.exp(2 * growth * ages)).sum()
    assert growth == pytest.approx(0.006 / square**0.5, rel=1e-9)


def test_log_loss_where_the_loss_underflows():
    w = np.array([[1.0, 1.0]])
    plain = np.log(np.log1p(np.exp(-LOPSIDED[0] @ w[0])).sum())
    assert separable.log_loss(LOPSIDED, w)[0] == pytest.approx(plain)
    far = separable.log_loss(LOPSIDED, 1e4 * w)[0]
    assert far == pytest.approx(-1.2e4)


def test_the_logistic_risk_is_the_mean_loss_of_many_new_examples():
    task = linear.logistic_model([3], 200_000, 12, strength=3)
    directions = np.random.default_rng(0).normal(size=(4, 12))
    found = separable.logistic_risk(directions, task.signal[0], task.spread)
    margins = task.problem.X[0].numpy() @ directions.T
    mean = np.logaddexp(0, -margins).mean(0)
    assert found == pytest.approx(mean, rel=0.01)
    own = separable.logistic_risk(task.signal[0], task.signal[0], task.spread)
    assert own < found.min()
    nothing = separable.logistic_risk(0 * directions, task.signal[0], task.spread)
    assert nothing == pytest.approx(np.log(2))


def test_where_a_path_first_has_a_loss():
    """On a straight way, by a root finder; the looks lie close."""
    from scipy.optimize import brentq

    reach = np.linspace(0, 20, 8001)
    unit = BEST.w / np.linalg.norm(BEST.w, axis=-1, keepdims=True)
    path = reach[:, None, None, None] * np.stack([unit, 2 * unit])
    aims = np.array([-1.0, -2, -3, -1.5])
    found = separable.first_at(Z, path, aims)
    for z, u, aim, ends in zip(Z, unit, aims, found.swapaxes(0, 1), strict=True):
        far = brentq(
            lambda r, z=z, u=u, aim=aim: separable.log_loss(z, r * u) - aim, 0, 40
        )
        assert np.allclose(ends, far * u, atol=1e-5)
    with pytest.raises(ValueError, match="never reaches"):
        separable.first_at(Z, path, aims - 1000)
