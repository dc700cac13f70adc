"""Each algorithm, step by step, against torch.optim or its formula written out."""

import numpy as np
import pytest
import torch

from helpers.dynamics import linear
from helpers.problems.linear import (
    in_metric,
    least_squares,
    log_spaced_metric,
    random_start,
    side_by_side,
    two_clouds,
)

SEEDS = range(3)
PROBLEM = least_squares(SEEDS, 5, 12)
START = random_start(SEEDS, 12)
STEPS = 25


def by_torch(make_optimiser, loss):
    """What torch.optim does to ½‖Xw − y‖² or another loss of the residual."""
    w = START.clone().requires_grad_()
    optimiser = make_optimiser([w])
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(linear.residual(PROBLEM, w)).backward()
        optimiser.step()
    return w.detach()


def square(r):
    return r.square().sum() / 2


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_gradient_is_that_of_the_sum_or_of_the_mean(reduction):
    w = START.clone().requires_grad_()
    losses = linear.residual(PROBLEM, w).square() / 2
    getattr(losses, reduction)(-1).sum().backward()
    assert torch.allclose(linear.gradient(PROBLEM, START, reduction), w.grad)


@pytest.mark.parametrize(
    ("stream", "optimiser"),
    [
        (
            linear.gradient_descent(PROBLEM, START, 0.1),
            lambda w: torch.optim.SGD(w, lr=0.1),
        ),
        (
            linear.heavy_ball(PROBLEM, START, 0.1, 0.9),
            lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9),
        ),
        (
            linear.adagrad(PROBLEM, START, 0.1),
            lambda w: torch.optim.Adagrad(w, lr=0.1, eps=0),
        ),
        (
            linear.adagrad(PROBLEM, START, 0.1, initial=0.3),
            lambda w: torch.optim.Adagrad(
                w, lr=0.1, eps=0, initial_accumulator_value=0.3
            ),
        ),
        (
            linear.adam(PROBLEM, START, 0.1),
            lambda w: torch.optim.Adam(w, lr=0.1),
        ),
    ],
    ids=["gradient descent", "heavy ball", "adagrad", "begun adagrad", "adam"],
)
def test_as_torch_does_it(stream, optimiser):
    expected = by_torch(optimiser, square)
    assert torch.allclose(linear.after(stream, STEPS), expected, rtol=1e-9)


def test_nesterov_by_its_two_sequences():
    X, y = PROBLEM
    w, v = START, START
    for _ in range(STEPS):
        new = v - 0.1 * torch.einsum(
            "snd,sn->sd", X, torch.einsum("snd,sd->sn", X, v) - y
        )
        w, v = new, new + 0.8 * (new - w)
    found = linear.after(linear.nesterov(PROBLEM, START, 0.1, 0.8), STEPS)
    assert torch.allclose(found, w, rtol=1e-12)


def test_conjugate_gradients_ends_in_as_many_steps_as_examples_and_rests():
    stream = linear.conjugate_gradients(PROBLEM, START)
    early, done, long_after = linear.path(stream, [3, 6, 200])
    assert linear.residual(PROBLEM, early).abs().max() > 1e-3
    assert linear.residual(PROBLEM, done).abs().max() < 1e-10
    assert linear.residual(PROBLEM, long_after).abs().max() < 1e-10


def test_one_subgradient_step_is_polyaks():
    X, y = (part[0].numpy() for part in PROBLEM)
    w = START[0].numpy()
    r = X @ w - y
    g = X.T @ np.sign(r)
    expected = w - np.abs(r).sum() / (g @ g) * g
    found = linear.after(linear.absolute_subgradient(PROBLEM, START), 1)[0]
    assert found.numpy() == pytest.approx(expected)


def test_preconditioning_is_plain_descent_in_other_units():
    metric = log_spaced_metric(12)
    turned = in_metric(PROBLEM, metric)
    plain = linear.gradient_descent(turned, START / metric.sqrt(), 0.01)
    stretched = linear.preconditioned(PROBLEM, START, 0.01, metric)
    expected = linear.after(plain, STEPS) * metric.sqrt()
    assert torch.allclose(linear.after(stretched, STEPS), expected, rtol=1e-9)


def test_coordinate_descent_moves_the_steepest_coordinate_to_its_minimum():
    before = START[0]
    g = linear.gradient(PROBLEM, START)[0]
    after = linear.after(linear.coordinate_descent(PROBLEM, START), 1)
    moved = (after[0] != before).nonzero().ravel()
    assert moved.tolist() == [g.abs().argmax().item()]
    assert linear.gradient(PROBLEM, after)[0, moved].abs().item() < 1e-12


def test_sgd_with_every_example_in_expectation_is_gradient_descent():
    steps = [
        linear.after(linear.sgd(PROBLEM, START, 0.1, 2, [seed] * 3), 1)
        for seed in range(4000)
    ]
    mean = torch.stack(steps).mean(0) - START
    full = -0.1 * linear.gradient(PROBLEM, START) * 2 / 5
    assert torch.allclose(mean, full, atol=0.02)


def test_sgd_of_a_seed_does_not_depend_on_its_company():
    alone = least_squares([1], 5, 12)
    one = linear.after(linear.sgd(alone, START[1:2], 0.1, 2, [1]), STEPS)
    three = linear.after(linear.sgd(PROBLEM, START, 0.1, 2, SEEDS), STEPS)
    assert torch.allclose(one[0], three[1], rtol=1e-12)


def test_path_and_after_count_alike():
    def stream():
        return linear.gradient_descent(PROBLEM, START, 0.1)

    found = linear.path(stream(), [0, 3, 7])
    for row, steps in zip(found, [0, 3, 7], strict=True):
        assert torch.equal(row, linear.after(stream(), steps))


def test_a_wrong_sign_is_seen():
    uphill = linear.gradient_descent(PROBLEM, START, -0.1)
    expected = by_torch(lambda w: torch.optim.SGD(w, lr=0.1), square)
    assert not torch.allclose(linear.after(uphill, STEPS), expected, rtol=1e-3)


CLOUDS = two_clouds(SEEDS, 8, 12, 2.0)


@pytest.mark.parametrize(
    ("stream", "optimiser"),
    [
        (linear.gradient_descent, lambda w: torch.optim.SGD(w, lr=0.1)),
        (linear.adam, lambda w: torch.optim.Adam(w, lr=0.1)),
    ],
    ids=["gradient descent", "adam"],
)
def test_the_logistic_loss_as_torch_does_it(stream, optimiser):
    w = START.clone().requires_grad_()
    optimiser = optimiser([w])
    for _ in range(STEPS):
        optimiser.zero_grad()
        margins = torch.einsum("snd,sd->sn", CLOUDS.X, w)
        torch.nn.functional.softplus(-margins).sum().backward()
        optimiser.step()
    found = linear.after(stream(CLOUDS, START, 0.1), STEPS)
    assert torch.allclose(found, w.detach(), rtol=1e-9)


def test_adam_takes_another_memory_and_a_falling_rate():
    one = linear.adam(PROBLEM, START, 0.1, power=0.5, betas=(0.5, 0.9))
    path = linear.path(one, [0, 1, 2])
    first, second = (path[1:] - path[:-1]).abs()
    assert torch.allclose(first, torch.full_like(first, 0.1), rtol=1e-5)
    assert second.max() < 0.15 / 2**0.5


def test_normalised_steps_have_their_length_and_the_gradients_direction():
    stream = linear.normalised_descent(CLOUDS, START, 0.5, power=0.5)
    path = linear.path(stream, range(4))
    moved = path[1:] - path[:-1]
    expected = 0.5 / torch.arange(1, 4, dtype=torch.float64)[:, None] ** 0.5
    assert torch.allclose(moved.norm(dim=-1), expected.expand(3, 3))
    g = linear.gradient(CLOUDS, START)
    assert torch.allclose(moved[0], -0.5 * g / g.norm(dim=-1, keepdim=True))


def test_normalised_steps_go_on_where_the_gradient_underflows():
    far = 1e4 * CLOUDS.X.mean(1)
    assert linear.gradient(CLOUDS, far).abs().max() == 0
    on = linear.after(linear.normalised_descent(CLOUDS, far, 1.0), 5)
    assert torch.allclose((on - far).norm(dim=-1), torch.full((3,), 5.0).double(), 0.1)


def test_an_example_at_the_origin_pulls_nowhere():
    padded = side_by_side(CLOUDS, two_clouds([9], 11, 12, 2.0))
    start = torch.cat([START, START[:1]])
    found = linear.after(linear.gradient_descent(padded, start, 0.1), STEPS)
    alone = linear.after(linear.gradient_descent(CLOUDS, START, 0.1), STEPS)
    assert torch.allclose(found[:3], alone, rtol=1e-12)


def test_adam_tells_by_what_its_steps_are_divided():
    w = START.clone().requires_grad_()
    optimiser = torch.optim.Adam([w], lr=0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        square(linear.residual(PROBLEM, w)).backward()
        optimiser.step()
    square_mean = optimiser.state[w]["exp_avg_sq"] / (1 - 0.999**STEPS)
    stream = map(torch.stack, linear.scaled_adam(PROBLEM, START, 0.1))
    found, scale = linear.after(stream, STEPS)
    assert torch.allclose(found, w.detach(), rtol=1e-9)
    assert torch.allclose(scale, square_mean.sqrt() + 1e-8, rtol=1e-9)


def test_adagrad_with_one_sum_is_gradient_descent_at_a_falling_rate():
    w, total = START, torch.full_like(START[..., :1], 0.3)
    for _ in range(STEPS):
        g = linear.gradient(PROBLEM, w)
        total = total + g.square().sum(-1, keepdim=True)
        w = w - 0.1 * g / total.sqrt()
    one = linear.adagrad(PROBLEM, START, 0.1, initial=0.3, shared=True)
    assert torch.allclose(linear.after(one, STEPS), w, rtol=1e-9)


def test_settings_in_front_are_as_many_runs():
    rates = torch.tensor([0.1, 0.02])[:, None, None].double()
    both = START.expand(3, 2, *START.shape)
    found = linear.after(linear.gradient_descent(PROBLEM, both, rates), STEPS)
    for number, rate in enumerate((0.1, 0.02)):
        alone = linear.after(linear.gradient_descent(PROBLEM, START, rate), STEPS)
        assert torch.allclose(found[:, number], alone.expand(3, *alone.shape))
