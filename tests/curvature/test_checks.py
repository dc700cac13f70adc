import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.curvature.checks import check_problem
from helpers.curvature.gram import gram
from helpers.curvature.losses import half_square
from helpers.curvature.products import gauss_newton, hessian
from helpers.curvature.sketch import sketch

INPUTS, TARGETS = torch.randn(6, 3), torch.randn(6, 2)


def net(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), *middle, nn.Linear(4, 2))


class FunctionalDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return nn.functional.dropout(self.layer(x), training=self.training)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (net(nn.Dropout(0.3)), "dropout '1' is in train mode.*eval"),
        (net(nn.BatchNorm1d(4)), "batch-norm '1' uses batch statistics.*eval"),
        (FunctionalDropout(), "random.*eval"),
    ],
)
@pytest.mark.parametrize("function", [gram, sketch, hessian, gauss_newton])
def test_train_mode_is_refused_and_eval_mode_is_not(function, model, message):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=message) as caught:
        function(model.train(), INPUTS, TARGETS)
    assert "\n" not in str(caught.value)
    function(model.eval(), INPUTS, TARGETS)


def test_batch_norm_without_running_statistics_is_refused_even_in_eval_mode():
    model = net(nn.BatchNorm1d(4, track_running_stats=False)).eval()
    with pytest.raises(ValueError, match="batch statistics"):
        check_problem(model, INPUTS, TARGETS, half_square)


def weighted(outputs, targets):
    weight = torch.tensor([1.0, 3.0])
    return cross_entropy(outputs, targets, weight=weight)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (nn.MSELoss(reduction="sum"), TARGETS),
        (nn.CrossEntropyLoss(reduction="sum"), TARGETS.argmax(1)),
        (weighted, torch.tensor([0, 1, 1, 0, 1, 0])),
    ],
)
def test_a_loss_that_is_not_a_mean_is_refused(loss, targets):
    with pytest.raises(ValueError, match="not a mean over examples"):
        check_problem(net(), INPUTS, targets, loss)


def test_a_sum_over_one_example_is_still_not_a_mean():
    with pytest.raises(ValueError, match="not a mean over examples"):
        check_problem(net(), INPUTS[:1], TARGETS[:1], nn.MSELoss(reduction="sum"))


def test_a_loss_per_example_is_refused():
    with pytest.raises(ValueError, match="not one number"):
        check_problem(net(), INPUTS, TARGETS, nn.MSELoss(reduction="none"))


@pytest.mark.parametrize("loss", [half_square, nn.MSELoss(), nn.HuberLoss()])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_means_are_accepted(loss, n):
    check_problem(net(), INPUTS[:n], TARGETS[:n], loss)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="6 inputs but 5 targets"):
        check_problem(net(), INPUTS, TARGETS[:5], half_square)
    flat = nn.Sequential(nn.Linear(3, 2), nn.Unflatten(1, (2, 1)))
    with pytest.raises(ValueError, match=r"must return shape \(n, C\)"):
        check_problem(flat, INPUTS, TARGETS, half_square)


def test_frozen_models_are_refused():
    with pytest.raises(ValueError, match="no parameter requires"):
        check_problem(net().requires_grad_(False), INPUTS, TARGETS, half_square)


def test_importing_helpers_does_not_import_torch():
    code = "import sys, helpers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
