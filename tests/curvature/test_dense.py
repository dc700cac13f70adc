import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.curvature import dense
from helpers.curvature.losses import half_square


def test_of_a_linear_network_they_are_the_inputs():
    torch.manual_seed(0)
    model, inputs = nn.Linear(3, 2).double(), torch.randn(4, 3).double()
    with_bias = torch.cat([inputs, torch.ones(4, 1)], dim=1)
    rows = dense.jacobian(model, inputs)
    assert rows.shape == (4, 2, 8)
    assert torch.equal(rows[:, 0], torch.cat([inputs, torch.zeros(4, 3), ones(0)], 1))
    assert torch.equal(rows[:, 1], torch.cat([torch.zeros(4, 3), inputs, ones(1)], 1))
    found = dense.hessian(model, inputs, torch.zeros(4, 2).double())
    weights = [0, 1, 2, 6]  # those of the first output, and its bias
    assert torch.allclose(found[weights][:, weights], with_bias.T @ with_bias / 4)
    assert found[weights][:, [3, 4, 5, 7]].abs().max() == 0


def ones(output):
    return nn.functional.one_hot(torch.full((4,), output), 2).double()


def test_they_are_differences_of_what_they_differentiate(problem):
    for loss, its_name in ((half_square, "square"), (cross_entropy, "cross-entropy")):
        model, inputs, targets = problem(loss=its_name)[:3]
        weights = nn.utils.parameters_to_vector(model.parameters()).detach()
        direction = torch.randn(len(weights), dtype=weights.dtype)
        rows = dense.jacobian(model, inputs) @ direction
        curved = dense.hessian(model, inputs, targets, loss) @ direction
        outputs, slopes = [], []
        for side in (1e-5, -1e-5):
            nn.utils.vector_to_parameters(
                weights + side * direction, model.parameters()
            )
            outputs.append(model(inputs).detach())
            graph = loss(model(inputs), targets)
            parts = torch.autograd.grad(graph, list(model.parameters()))
            slopes.append(torch.cat([part.flatten() for part in parts]))
        assert torch.allclose((outputs[0] - outputs[1]) / 2e-5, rows, atol=1e-8)
        assert torch.allclose((slopes[0] - slopes[1]) / 2e-5, curved, atol=1e-8)
