import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from helpers.dynamics import linear, mirror
from helpers.problems import linear as problems

SEEDS = range(3)
PROBLEM = problems.least_squares(SEEDS, 4, 7)
START = problems.random_start(SEEDS, 7)
POTENTIALS = {
    "power": (mirror.power(1.5), lambda w: (w.abs() ** 1.5).sum() / 1.5),
    "hypentropy": (
        mirror.hypentropy(0.3),
        lambda w: (w * (w / 0.3).asinh() - (w**2 + 0.09).sqrt()).sum(),
    ),
    "entropy": (mirror.entropy(), lambda w: (w * w.log() - w).sum()),
}


@pytest.mark.parametrize("name", POTENTIALS)
def test_a_mirror_is_the_derivative_of_its_potential(name):
    its, potential = POTENTIALS[name]
    w = START[0].abs()
    slope = torch.func.grad(potential)(w)
    torch.testing.assert_close(its.to_dual(w), slope)
    torch.testing.assert_close(its.to_primal(slope), w)
    bend = torch.func.hessian(potential)(w)
    torch.testing.assert_close(torch.diag(its.curvature(w)), bend)


@pytest.mark.parametrize("name", ["power", "hypentropy"])
def test_mirrors_are_odd(name):
    its, _ = POTENTIALS[name]
    torch.testing.assert_close(its.to_dual(-START), -its.to_dual(START))
    torch.testing.assert_close(its.to_primal(its.to_dual(START)), START)


def test_on_the_simplex_it_is_exponentiated_gradient():
    even = torch.full((3, 7), 1 / 7, dtype=torch.float64)
    way = mirror.mirror_descent(PROBLEM, even, 0.5, mirror.entropy_on_simplex())
    w, expected = linear.after(way, 3), even
    for _ in range(3):
        expected = expected * torch.exp(-0.5 * linear.gradient(PROBLEM, expected))
        expected = expected / expected.sum(-1, keepdim=True)
    torch.testing.assert_close(w, expected)


def test_with_the_square_all_are_gradient_descent():
    square = mirror.power(2)
    expected = linear.after(linear.gradient_descent(PROBLEM, START, 0.1), 20)
    ways = (
        mirror.mirror_descent(PROBLEM, START, 0.1, square),
        mirror.natural_gradient(PROBLEM, START, 0.1, square),
        mirror.primal_momentum(PROBLEM, START, 0.1, square, 0),
        mirror.steepest_descent(PROBLEM, START, 0.1, 2),
    )
    for way in ways:
        torch.testing.assert_close(linear.after(way, 20), expected)


def test_with_the_square_both_momenta_are_heavy_ball():
    square = mirror.power(2)
    ball = linear.after(linear.heavy_ball(PROBLEM, START, 0.1, 0.6), 20)
    dual = mirror.mirror_descent(PROBLEM, START, 0.1, square, 0.6)
    primal = mirror.primal_momentum(PROBLEM, START, 0.1, square, 0.6)
    torch.testing.assert_close(linear.after(dual, 20), ball)
    torch.testing.assert_close(linear.after(primal, 20), ball)


def test_one_example_a_step_is_sgd():
    way = mirror.stochastic_mirror_descent(
        PROBLEM, START, 0.1, mirror.power(2), 1, SEEDS
    )
    expected = linear.sgd(PROBLEM, START, 0.1, 1, SEEDS)
    torch.testing.assert_close(linear.after(way, 30), linear.after(expected, 30))


def test_momenta_differ_once_the_mirror_is_curved():
    how = PROBLEM, START, 0.1, mirror.hypentropy(0.3), 0.6
    dual = linear.after(mirror.mirror_descent(*how), 20)
    assert (dual - linear.after(mirror.primal_momentum(*how), 20)).norm() > 0.01


def test_settings_are_stacked_in_front():
    rates = torch.tensor([0.1, 0.2], dtype=torch.float64)[:, None, None]
    stack = START.expand(2, -1, -1)
    for method in (mirror.mirror_descent, mirror.natural_gradient):
        both = linear.after(method(PROBLEM, stack, rates, mirror.hypentropy(1)), 5)
        for rate, w in zip((0.1, 0.2), both, strict=True):
            alone = method(PROBLEM, START, rate, mirror.hypentropy(1))
            torch.testing.assert_close(linear.after(alone, 5), w)


@pytest.mark.parametrize("order", [4 / 3, 4])
def test_the_steepest_step_is_the_best_there_is(order):
    step = linear.after(mirror.steepest_descent(PROBLEM, START, 0.2, order), 1) - START
    g = linear.gradient(PROBLEM, START).numpy()

    def cost(v, g):
        return g @ v + np.linalg.norm(v, order) ** 2 / 0.4

    for slope, v in zip(g, step.numpy(), strict=True):
        best = minimize(cost, -0.1 * slope, args=(slope,), tol=1e-12)
        assert cost(v, slope) <= best.fun + 1e-9


KEPT = problems.least_squares(range(9, 12), 2, 7).X


def test_kept_steps_are_projections_in_divergence():
    """The nearest point to the potential that keeps G w, by a general solver."""
    its, potential = POTENTIALS["hypentropy"]
    w = linear.after(mirror.kept_mirror_descent(PROBLEM, START, 0.2, its, KEPT), 1)
    dual = its.to_dual(START) - 0.2 * linear.gradient(PROBLEM, START)
    for G, begin, aim, found in zip(KEPT, START, dual, w, strict=True):

        def divergence(v, aim=aim):
            v = torch.from_numpy(v)
            return float(potential(v) - aim @ v), (its.to_dual(v) - aim).numpy()

        kept = {
            "type": "eq",
            "fun": lambda v, G=G, b=begin: G.numpy() @ (v - b.numpy()),
            "jac": lambda v, G=G: G.numpy(),
        }
        answer = minimize(
            divergence, begin, jac=True, constraints=kept, options={"ftol": 1e-15}
        )
        assert np.allclose(found, answer.x, atol=1e-6)


@pytest.mark.parametrize("way", [mirror.kept_mirror_descent, mirror.shortest_way_back])
def test_with_the_square_what_is_kept_is_projected_gradient_descent(way):
    square, w = mirror.power(2), START
    across = torch.eye(7, dtype=torch.float64) - torch.linalg.pinv(KEPT) @ KEPT
    for _ in range(5):
        step = linear.gradient(PROBLEM, w).unsqueeze(-1)
        w = w - 0.1 * (across @ step).squeeze(-1)
    found = linear.after(way(PROBLEM, START, 0.1, square, KEPT), 5)
    torch.testing.assert_close(found, w)
