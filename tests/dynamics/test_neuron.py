"""Velocities against autograd, the flow against a matrix exponential, steps by hand."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from helpers.dials import BookError
from helpers.dynamics import linear, neuron
from helpers.problems.linear import LeastSquares, random_start
from helpers.problems.neuron import detour, hidden_start, random_labels

SEEDS = range(4)
PROBLEM = random_labels(SEEDS, 3, 2, 6)
ACTIVATIONS = {
    "relu": (neuron.leaky(0), torch.relu),
    "leaky": (neuron.leaky(0.1), lambda h: torch.nn.functional.leaky_relu(h, 0.1)),
    "linear": (neuron.leaky(1), lambda h: h),
    "tanh": (neuron.TANH, torch.tanh),
}
each = pytest.mark.parametrize("name", ACTIVATIONS)


@each
def test_one_neuron_by_autograd(name):
    ours, theirs = ACTIVATIONS[name]
    w = random_start(SEEDS, 6).requires_grad_()
    outputs = theirs(torch.einsum("snd,sd->sn", PROBLEM.X, w))
    (outputs - PROBLEM.y).square().sum().div(2).backward()
    found = neuron.one_neuron(PROBLEM, ours)(w.detach().numpy())
    assert np.allclose(found, -w.grad)


@each
def test_the_logistic_loss_by_autograd(name):
    ours, theirs = ACTIVATIONS[name]
    w = random_start(SEEDS, 6).requires_grad_()
    outputs = theirs(torch.einsum("snd,sd->sn", PROBLEM.X, w))
    labels = (PROBLEM.y > 0).double()
    torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, labels, reduction="sum"
    ).backward()
    found = neuron.logistic_neuron(PROBLEM, ours)(w.detach().numpy())
    assert np.allclose(found, -w.grad)


@each
def test_a_hidden_layer_by_autograd(name):
    ours, theirs = ACTIVATIONS[name]
    rows = hidden_start(SEEDS, 7, 6).requires_grad_()
    values = theirs(torch.einsum("snd,smd->smn", PROBLEM.X, rows[..., :-1]))
    outputs = torch.einsum("sm,smn->sn", rows[..., -1], values)
    (outputs - PROBLEM.y).square().sum().div(2).backward()
    found = neuron.hidden_layer(PROBLEM, ours)(rows.detach().numpy())
    assert np.allclose(found, -rows.grad)


def test_at_zero_a_neuron_is_active():
    X, y = PROBLEM
    found = neuron.one_neuron(PROBLEM, neuron.leaky(0))(np.zeros((4, 6)))
    assert np.allclose(found, torch.einsum("sn,snd->sd", y, X))


@pytest.mark.parametrize("method", ["LSODA", "DOP853"])
def test_the_flow_of_a_linear_neuron_is_a_matrix_exponential(method):
    X, y = (part[0].numpy() for part in PROBLEM)
    velocity = neuron.one_neuron(LeastSquares(X, y), neuron.leaky(1))
    start, times = random_start([0], 6)[0].numpy(), [0.5, 2.0]
    end = np.linalg.pinv(X) @ y + start - np.linalg.pinv(X) @ X @ start
    found = neuron.flow(velocity, start, times, method)
    for w, t in zip(found, times, strict=True):
        assert np.allclose(w, end + expm(-t * X.T @ X) @ (start - end), atol=1e-8)


def test_from_zero_a_problem_does_not_depend_on_its_company():
    together = neuron.from_zero(PROBLEM, neuron.leaky(0.1), [1, 3])
    assert together.shape == (2, 4, 6)
    alone = LeastSquares(PROBLEM.X[2], PROBLEM.y[2])
    path = neuron.flow(neuron.one_neuron(alone, neuron.leaky(0.1)), np.zeros(6), [1, 3])
    assert np.allclose(together[:, 2], path, atol=1e-8)


def test_in_log_time_it_is_the_same_flow():
    velocity = neuron.one_neuron(PROBLEM, neuron.leaky(0.1))
    early, late = neuron.flow(velocity, np.zeros((4, 6)), [0.5, 3])
    found = neuron.flow_in_log_time(velocity, early, np.log(0.5), [np.log(3)])
    assert np.allclose(found[0], late, atol=1e-8)


def test_a_flow_that_escapes_is_told():
    with pytest.raises(BookError, match="not integrated"):
        neuron.flow(lambda w: w**2, [1.0], [2.0], "DOP853")


def test_euler_is_gradient_descent():
    problem = LeastSquares(PROBLEM.X, PROBLEM.y)
    start = random_start(SEEDS, 6)
    ours = neuron.euler(neuron.one_neuron(problem, neuron.leaky(1)), start.numpy(), 0.1)
    theirs = linear.gradient_descent(problem, start, 0.1)
    assert np.allclose(linear.after(ours, 25), linear.after(theirs, 25))


def test_heun_is_exact_to_second_order():
    steps = neuron.heun(lambda w: -w, np.array([1.0]), 0.1)
    assert linear.after(steps, 3)[0] == pytest.approx((1 - 0.1 + 0.1**2 / 2) ** 3)


def test_the_scale_that_turns_the_end_by_an_eighth_of_half_a_turn():
    """The number that the chapter quotes is a root of its equation."""
    scales = [11.518747173446 * factor for factor in (0.999, 1, 1.001)]
    ends = neuron.from_zero(detour(scales), neuron.leaky(0), 30)[0, :, 2]
    below, here, above = ends - np.tan(np.pi / 8)
    assert abs(here) < 1e-9
    assert below * above < 0
