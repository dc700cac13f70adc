"""Problems are what they say, and a seed is one problem in any company."""

import numpy as np
import pytest
import torch

from helpers import problems


def test_a_seed_is_one_problem_in_any_company():
    alone = problems.least_squares([5], 4, 9)
    among = problems.least_squares([3, 5], 4, 9)
    assert torch.equal(alone.X[0], among.X[1])
    assert torch.equal(alone.y[0], among.y[1])
    assert not torch.equal(among.X[0], among.X[1])


def test_rows_have_expected_length_one():
    X = problems.least_squares(range(50), 40, 200).X
    assert X.square().sum(-1).mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("scale", [30, 1, 1 / 30])
def test_units_change_neither_labels_nor_truth(scale):
    task = problems.hidden_signal(range(3), 20, 50, 5, scale)
    plain = problems.hidden_signal(range(3), 20, 50, 5, 1)
    assert torch.allclose(task.problem.y, plain.problem.y, rtol=1e-12)
    fitted = (task.problem.X @ task.signal[..., None])[..., 0]
    assert torch.allclose(fitted, task.problem.y, rtol=1e-12)
    assert task.spread[:5].tolist() == pytest.approx([scale] * 5)
    assert (task.signal[:, 5:] == 0).all()


def test_labels_have_unit_variance():
    y = problems.hidden_signal(range(40), 200, 20, 5, 3.0).problem.y
    assert y.var().item() == pytest.approx(1, abs=0.05)


def test_smoothness_is_the_largest_eigenvalue():
    problem = problems.least_squares(range(3), 5, 8)
    expected = [np.linalg.eigvalsh(X.T @ X).max() for X in problem.X.numpy()]
    assert problems.smoothness(problem)[:, 0].numpy() == pytest.approx(expected)


def test_in_metric_turns_the_weighted_norm_into_the_plain_one():
    problem = problems.least_squares([0], 5, 8)
    metric = problems.log_spaced_metric(8)
    turned = problems.in_metric(problem, metric)
    w = torch.randn(1, 8, dtype=torch.float64)
    same = (turned.X @ (w / metric.sqrt())[..., None])[..., 0]
    assert torch.allclose(same, (problem.X @ w[..., None])[..., 0])


def test_starts_are_not_the_problems():
    start = problems.random_start([0], 9)
    assert not torch.isclose(start, problems.least_squares([0], 1, 8).X[0, 0, 0]).any()
