"""Path norms by counting paths, sensitivities by autograd, folding by its outputs."""

import itertools

import pytest
import torch
from torch import nn

from helpers import networks
from helpers.curvature.sensitivity import folded, input_sensitivity, margins, path_norm


@pytest.fixture
def settled():
    """A residual network whose batch norms have seen data."""
    network = networks.build("resnet8", width=4, seed=1)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(16, 3, 32, 32) + 1)
    return network.eval()


def test_folding_keeps_the_function(settled):
    images = torch.randn(5, 3, 32, 32)
    flat = folded(settled)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in flat.modules())
    torch.testing.assert_close(flat(images), settled(images), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_folded_is_refused():
    with pytest.raises(ValueError, match="follows no convolution"):
        folded(networks.build("densenet40", width=4))


@pytest.mark.parametrize("power", [1, 2])
def test_the_path_norm_counts_every_path(power):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)
    )
    first, second = network[0].weight, network[2].weight
    total = sum(
        abs(second[k, j] * first[j, i]).item() ** power
        for i, j, k in itertools.product(range(3), range(4), range(2))
    )
    found = path_norm(network, torch.zeros(1, 3), power)
    assert found == pytest.approx(total ** (1 / power), rel=1e-5)


def test_sensitivity_is_the_jacobians_norm():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    inputs = torch.randn(7, 3)
    jacobians = [torch.autograd.functional.jacobian(network, x) for x in inputs]
    expected = torch.stack(jacobians).square().sum((1, 2)).mean().sqrt()
    assert input_sensitivity(network, inputs, chunk=3) == pytest.approx(expected.item())


def test_margins_are_over_the_best_other_class():
    outputs = torch.tensor([[3.0, 1.0, 2.5], [0.0, 4.0, 5.0]])
    assert margins(outputs, torch.tensor([0, 1])).tolist() == [0.5, -1.0]
    signs = margins(torch.tensor([2.0, -3.0]), torch.tensor([-1.0, -1.0]))
    assert signs.tolist() == [-2.0, 3.0]
