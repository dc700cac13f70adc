import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.curvature.losses import half_square
from helpers.curvature.products import gauss_newton, hessian

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
PRODUCTS = {"hessian": hessian, "gauss_newton": gauss_newton}


def dense(product) -> torch.Tensor:
    return product @ torch.eye(product.shape[0], dtype=product.dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_the_dense_matrix(any_case, dtype, name, problem, error):
    case = problem(*any_case, dtype=dtype)
    product = PRODUCTS[name](*case, chunk=3)
    expected = getattr(case, name)()
    vectors = torch.randn(len(expected), 6, dtype=dtype)
    assert error(product @ vectors, expected @ vectors) < TOLERANCE[dtype]
    assert error(product @ vectors, 1.001 * expected @ vectors) > TOLERANCE[dtype]
    assert product.count == 12


def test_hessian_and_gauss_newton_part_away_from_interpolation(problem, error):
    case = problem()
    assert error(dense(gauss_newton(*case)), dense(hessian(*case))) > 0.01
    case = case.fitted()
    assert error(dense(gauss_newton(*case)), dense(hessian(*case))) < 1e-12


@pytest.mark.parametrize("name", PRODUCTS)
def test_rebuilding_the_graph_changes_nothing(name, problem, networks, error):
    case = problem(networks["cnn"], loss="cross-entropy")
    vector = torch.randn(PRODUCTS[name](*case).shape[0], dtype=torch.float64)
    kept, rebuilt = (
        PRODUCTS[name](*case, keep=keep) @ vector for keep in (True, False)
    )
    assert error(rebuilt, kept) < 1e-13


@pytest.mark.parametrize("name", PRODUCTS)
def test_moved_weights_are_noticed(name, problem):
    case = problem()
    product = PRODUCTS[name](*case)
    with torch.no_grad():
        for parameter in case.model.parameters():
            parameter.mul_(1.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product @ torch.ones(product.shape[0], dtype=torch.float64)


def operations(function) -> float:
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("keep", [True, False])
def test_operation_counts(keep):
    """In units of a gradient, 3 F where F is one forward pass: H 2 (kept) or 3,
    Gauss-Newton 5/3 or 2; the first layer, F_1, needs no gradient of its input."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(8, 16, 3), nn.Tanh(), nn.Conv2d(16, 16, 3), nn.Tanh(),
        nn.Conv2d(16, 8, 3), nn.Flatten(), nn.Linear(32, 2),
    )  # fmt: skip
    inputs, targets = torch.randn(16, 8, 8, 8), torch.randn(16, 2)
    first = 16 * 8 * 16 * 9 * 36
    forward = operations(lambda: model(inputs))
    gradient = operations(lambda: half_square(model(inputs), targets).backward())
    assert gradient == 3 * forward - first
    curved = hessian(model, inputs, targets, keep=keep)
    vector = torch.randn(curved.shape[0])
    expected = 2 * gradient - first + (0 if keep else gradient)
    assert operations(lambda: curved @ vector) == pytest.approx(expected, rel=1e-3)
    linear = gauss_newton(model, inputs, targets, keep=keep)
    expected = (5 if keep else 6) * forward - first
    assert operations(lambda: linear @ vector) == pytest.approx(expected, rel=1e-3)


def test_frozen_parameters_do_not_count(problem, networks, error):
    case = problem(networks["cnn"])
    case.model[2].weight.requires_grad_(False)
    for name, build in PRODUCTS.items():
        expected, product = getattr(case, name)(), build(*case)
        vector = torch.randn(len(expected), dtype=torch.float64)
        assert error(product @ vector, expected @ vector) < 1e-12
