import numpy as np
import torch

from helpers.dynamics import linear, mirror
from helpers.oracles import flows, separable
from helpers.problems import linear as problems

CLOUDS = problems.two_clouds(range(2), 10, 3, 3.0)
Z = CLOUDS.X.numpy()
ZERO = torch.zeros(2, 3, dtype=torch.float64)


def test_of_the_square_it_is_gradient_flow():
    log_times = np.log(10) * np.array([2, 30])
    found = flows.mirror_flow(Z, log_times, lambda z: z, np.ones_like)
    np.testing.assert_allclose(found, separable.logistic_flow(Z, log_times), rtol=1e-5)


def test_it_is_mirror_descent_with_small_steps():
    found = flows.mirror_flow(
        Z,
        [np.log(20)],
        lambda z: 0.3 * np.sinh(z),
        lambda z: 0.3 * np.cosh(z),
    )
    way = mirror.mirror_descent(CLOUDS, ZERO, 0.002, mirror.hypentropy(0.3))
    np.testing.assert_allclose(found[0], linear.after(way, 10_000), rtol=2e-3)


def by_small_steps(rate, start, time, *, shared):
    """AdaGrad, a thousand small steps in place of one."""
    w, total = ZERO, torch.full_like(ZERO, start)
    for _ in range(1000 * time):
        g = linear.gradient(CLOUDS, w)
        square = g**2
        if shared:
            square = square.sum(-1, keepdim=True).expand_as(g)
        total = total + square / 1000
        w = w - rate / 1000 * g / total.sqrt()
    return w, total


def test_adagrad_flow_is_adagrad_in_small_steps():
    for shared in (False, True):
        found = flows.adagrad_flow(Z, [np.log(5)], 0.5, 2.0, shared=shared)
        expected = by_small_steps(0.5, 2.0, 5, shared=shared)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours[0], theirs, rtol=1e-2)
