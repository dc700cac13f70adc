import numpy as np
import pytest
import torch

from helpers.dynamics import logistic
from helpers.problems.linear import two_clouds

CLOUDS = two_clouds([0, 1], 6, 4, 2.0).X
START = torch.tensor([[0.3, -0.2, 0, 1], [0, 0, 2, 0]], dtype=torch.float64)
RATES = torch.tensor([[0.3], [0.1]], dtype=torch.float64)


def loss(w, Z):
    return torch.nn.functional.softplus(-Z @ w).sum()


def by_autograd(Z, w, rate, steps, coordinate):
    for _ in range(steps):
        g = torch.func.grad(loss)(w, Z)
        if coordinate:
            g = g * (g.abs() == g.abs().max())
        w = w - rate * g
    return w


@pytest.mark.parametrize("coordinate", [False, True])
def test_it_takes_the_steps_that_autograd_would(coordinate):
    found = logistic.far(CLOUDS, [0, 3, 40], RATES, START, coordinate=coordinate)
    for steps, at in zip((0, 3, 40), found, strict=True):
        for way, *own in zip(at, CLOUDS, START, RATES, strict=True):
            expected = by_autograd(*own, steps, coordinate)
            np.testing.assert_allclose(way, expected, atol=1e-12)


def test_from_zero_an_example_at_zero_pulls_nowhere():
    filled = torch.nn.functional.pad(CLOUDS, (0, 0, 0, 3))
    alone, beside = (logistic.far(Z, [25], 0.2) for Z in (CLOUDS, filled))
    assert (alone == beside).all()


def test_what_is_far_behind_pulls_with_all_its_might():
    found = logistic.far([[[1.0]]], [1], 0.5, -2000.0)
    assert found.item() == pytest.approx(-1999.5)
