import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.curvature.losses import half_square, output_curvature


def reference(loss, outputs, targets):
    """Output Hessian and gradient of each example, by autograd."""
    hessians, gradients = [], []
    for output, target in zip(outputs, targets, strict=True):

        def value(f, target=target):
            return loss(f[None], target[None])

        hessians.append(torch.autograd.functional.hessian(value, output))
        gradients.append(torch.autograd.functional.jacobian(value, output))
    return torch.stack(hessians), torch.stack(gradients)


def smoothed(outputs, targets):
    return cross_entropy(outputs, targets, label_smoothing=0.1)


LABELS = [cross_entropy, nn.CrossEntropyLoss(), smoothed]
SQUARES = [half_square, nn.MSELoss(), nn.HuberLoss(delta=50.0)]


@pytest.mark.parametrize("loss", [*LABELS, *SQUARES])
def test_root_and_residual(loss, error):
    torch.manual_seed(0)
    outputs = torch.randn(6, 4, dtype=torch.float64)
    labels = torch.randint(4, (6,))
    targets = labels if loss in LABELS else torch.randn_like(outputs)
    hessians, gradients = reference(loss, outputs, targets)
    root, residual = output_curvature(loss, outputs, targets)
    assert error(root @ root.mT, hessians) < 1e-12
    assert error((root @ residual[:, :, None])[:, :, 0], gradients) < 1e-10


def test_the_root_depends_on_the_loss(error):
    outputs, labels = torch.randn(6, 4), torch.randint(4, (6,))
    square = output_curvature(half_square, outputs, torch.randn(6, 4)).root
    assert error(output_curvature(cross_entropy, outputs, labels).root, square) > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [40.0, 300.0])
def test_certainty_and_gross_error_stay_finite(dtype, logit):
    outputs = torch.zeros(2, 3, dtype=dtype)
    outputs[:, 0] = logit
    labels = torch.tensor([0, 1])  # certain, and certain of the wrong class
    root, residual = output_curvature(cross_entropy, outputs, labels)
    gradient = (root @ residual[:, :, None])[:, :, 0]
    assert gradient.isfinite().all()
    expected = torch.tensor([[0.0, 0, 0], [1, -1, 0]], dtype=dtype)
    assert (gradient - expected).abs().max() < 1e-6


def test_a_loss_that_is_not_convex_is_refused():
    def bounded(outputs, targets):
        return (outputs - targets).square().sum(1).neg().exp().neg().mean()

    with pytest.raises(ValueError, match="not convex"):
        output_curvature(bounded, torch.randn(4, 3), 3 + torch.randn(4, 3))


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="shape"):
        half_square(torch.zeros(5, 1), torch.zeros(5))
