"""Cases that pencil and paper solve."""

import itertools

import pytest
import torch
from torch import nn

from helpers.curvature.gram import gram
from helpers.curvature.lanczos import deflated_moments, top_eigenvalues
from helpers.curvature.products import gauss_newton, hessian
from helpers.curvature.sketch import sketch


def normal(*size: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, dtype=torch.float64, generator=generator)


def test_a_quadratic():
    """f = W x + b with C outputs: H is [x, 1][x, 1]^T / n, C times over."""
    model = nn.Linear(4, 3).double()
    inputs, targets = normal(9, 4, seed=1), normal(9, 3, seed=2)
    with_one = torch.cat([inputs, torch.ones(9, 1)], 1)
    single = torch.linalg.eigvalsh(with_one.T @ with_one / 9).flip(0)
    expected = single.repeat_interleave(3)
    exact = gram(model, inputs, targets)
    assert torch.allclose(exact.eigenvalues()[:15], expected, rtol=1e-10)
    assert exact.trace == pytest.approx(expected.sum().item(), rel=1e-12)
    assert exact.frobenius == pytest.approx(expected.norm().item(), rel=1e-12)
    vector = normal(15, seed=3)
    product = hessian(model, inputs, targets)
    assert torch.allclose(
        product @ vector, gauss_newton(model, inputs, targets) @ vector
    )
    top = top_eigenvalues(product, start=vector, tol=1e-10)
    assert top.values[0] == pytest.approx(expected[0].item(), rel=1e-10)
    moments = deflated_moments(product, steps=15)
    assert moments.trace == pytest.approx(exact.trace, rel=1e-10)
    assert moments.frobenius == pytest.approx(exact.frobenius, rel=1e-10)


def deep_linear(widths: list[int]) -> nn.Sequential:
    layers = [
        nn.Linear(below, above, bias=False).double()
        for below, above in itertools.pairwise(widths)
    ]
    return nn.Sequential(*layers)


def test_a_deep_linear_net():
    """K_ij = sum_l (a_l-1 x_i . a_l-1 x_j) b_l b_l^T, products below and above l."""
    torch.manual_seed(0)
    model, inputs = deep_linear([5, 4, 3, 2]), normal(6, 5, seed=1)
    weights = [layer.weight.detach() for layer in model]
    kernel = torch.zeros(6, 2, 6, 2, dtype=torch.float64)
    for l in range(3):  # noqa: E741
        below, above = inputs.T, torch.eye(2, dtype=torch.float64)
        for weight in weights[:l]:
            below = weight @ below
        for weight in reversed(weights[l + 1 :]):
            above = above @ weight
        kernel += torch.einsum("ij,cd->icjd", below.T @ below, above @ above.T)
    found = gram(model, inputs, normal(6, 2, seed=2))
    assert torch.allclose(found.kernel, kernel.reshape(12, 12), rtol=1e-11)
    exact_trace = kernel.reshape(12, 12).trace().item() / 6
    assert found.trace == pytest.approx(exact_trace, rel=1e-12)
    rough = sketch(model, inputs, normal(6, 2, seed=2), directions=64)
    assert abs(rough.trace - exact_trace) < 5 * rough.trace_error
    assert rough.trace_error < 0.1 * exact_trace


def test_a_scalar_factorisation_away_from_its_minimum():
    """f = u v x: H = x^2 [[v^2, 2uv - y/x], [., u^2]], its Gauss-Newton part without y.

    At u = v = 1, x = 1, y = 3 the Hessian is indefinite and G is not.
    """
    model = deep_linear([1, 1, 1])
    for layer in model:
        nn.init.ones_(layer.weight)
    inputs, targets = torch.ones(1, 1).double(), torch.full((1, 1), 3.0).double()
    identity = torch.eye(2, dtype=torch.float64)
    found = hessian(model, inputs, targets) @ identity
    assert torch.allclose(found, torch.tensor([[1.0, -1], [-1, 1]]).double())
    found = gauss_newton(model, inputs, targets) @ identity
    assert torch.allclose(found, torch.ones(2, 2).double())
    assert gram(model, inputs, targets).frobenius == pytest.approx(2)
