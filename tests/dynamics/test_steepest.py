import numpy as np
import pytest
import torch

from helpers.dials import BookError
from helpers.dynamics import linear, steepest
from helpers.problems import linear as problems
from helpers.problems import matrices

SEEDS = range(2)
CLASSES = matrices.class_clouds(SEEDS, 8, 3, 5, 2.0)


def cross_entropy(W, Z):
    """Of one problem, by its logits: those of the rivals, and nought for its own."""
    behind = -torch.einsum("nrkd,kd->nr", Z, W)
    logits = torch.cat([torch.zeros(len(Z), 1, dtype=W.dtype), behind], dim=1)
    own = torch.zeros(len(Z), dtype=torch.long)
    return torch.nn.functional.cross_entropy(logits, own, reduction="sum")


def unit_step(g, norm):
    """Of largest product with g, for ‖step‖ = 1."""
    if norm == "l1":
        most = g.abs() == g.abs().max()
        return most * g.sign()
    if norm == "l2":
        return g / g.norm()
    if norm == "linf":
        return g.sign()
    left, s, right = torch.linalg.svd(g, full_matrices=False)
    return left[:, s > 1e-10 * s[0]] @ right[s > 1e-10 * s[0]]


def by_autograd(Z, steps, norm, rate, power, momentum):
    W = torch.zeros(Z.shape[-2:], dtype=torch.float64)
    mean = torch.zeros_like(W)
    for k in range(1, steps + 1):
        g = -torch.func.grad(cross_entropy)(W, Z)
        mean = momentum * mean + (1 - momentum) * g
        W = W + rate / k**power * unit_step(mean, norm)
    return W


@pytest.mark.parametrize("norm", steepest.NORMS)
@pytest.mark.parametrize("momentum", [0, 0.7])
def test_it_takes_the_steps_that_autograd_would(norm, momentum):
    found = steepest.far(CLASSES, [0, 7, 40], norm, 0.3, 0.5, momentum)
    assert not found[0].any()
    for Z, last in zip(CLASSES, found[2], strict=True):
        expected = by_autograd(Z, 40, norm, 0.3, 0.5, momentum)
        np.testing.assert_allclose(last, expected, atol=1e-10)


def test_with_two_classes_it_is_normalised_descent():
    clouds = problems.two_clouds(SEEDS, 12, 4, 3.0)
    stack = clouds.X.numpy()[:, :, None, None]
    found = steepest.far(stack, [100], "l2", 0.5, power=0.5)[0, :, 0]
    start = torch.zeros_like(clouds.X[:, 0])
    way = linear.normalised_descent(clouds, start, 0.5, power=0.5)
    np.testing.assert_allclose(found, linear.after(way, 100), rtol=1e-9)


def test_it_goes_on_where_gradients_underflow():
    clouds = problems.two_clouds(SEEDS, 12, 4, 3.0)
    stack = clouds.X.numpy()[:, :, None, None]
    near, far = steepest.far(stack, [6000, 12_000], "l2", 0.1, 0, 0.5)[:, :, 0]
    assert (clouds.X.numpy() @ near[..., None]).min() > 800
    np.testing.assert_allclose(far / near, 2, rtol=0.02)


def factor_gradient(pair, Z):
    return torch.func.grad(lambda p: cross_entropy(p[0] @ p[1].T, Z))(pair)


def test_factors_take_the_steps_that_autograd_would():
    starts = matrices.factor_starts(SEEDS, 3, 5, 0.5)
    found = steepest.factorised(CLASSES, [30], 0.2, *starts)[0]
    for Z, U, V, W in zip(CLASSES, *starts, found, strict=True):
        for k in range(1, 31):
            left, right = factor_gradient((U, V), Z)
            size = 0.2 / k**0.5 / (left.square().sum() + right.square().sum()).sqrt()
            U, V = U - size * left, V - size * right
        np.testing.assert_allclose(W, U @ V.T, rtol=1e-8)


def test_an_unknown_norm_is_one_line():
    with pytest.raises(BookError, match="choose l1, l2, linf, spectral"):
        steepest.far(CLASSES, [1], "l3", 1)
