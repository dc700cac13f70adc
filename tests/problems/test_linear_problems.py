"""Problems are what they say, and a seed is one problem in any company."""

import numpy as np
import pytest
import torch

from helpers.oracles import separable
from helpers.problems import linear


def test_a_seed_is_one_problem_in_any_company():
    alone = linear.least_squares([5], 4, 9)
    among = linear.least_squares([3, 5], 4, 9)
    assert torch.equal(alone.X[0], among.X[1])
    assert torch.equal(alone.y[0], among.y[1])
    assert not torch.equal(among.X[0], among.X[1])


def test_rows_have_expected_length_one():
    X = linear.least_squares(range(50), 40, 200).X
    assert X.square().sum(-1).mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("scale", [30, 1, 1 / 30])
def test_units_change_neither_labels_nor_truth(scale):
    task = linear.hidden_signal(range(3), 20, 50, 5, scale)
    plain = linear.hidden_signal(range(3), 20, 50, 5, 1)
    assert torch.allclose(task.problem.y, plain.problem.y, rtol=1e-12)
    fitted = (task.problem.X @ task.signal[..., None])[..., 0]
    assert torch.allclose(fitted, task.problem.y, rtol=1e-12)
    assert task.spread[:5].tolist() == pytest.approx([scale] * 5)
    assert (task.signal[:, 5:] == 0).all()


def test_labels_have_unit_variance():
    y = linear.hidden_signal(range(40), 200, 20, 5, 3.0).problem.y
    assert y.var().item() == pytest.approx(1, abs=0.05)


def test_smoothness_is_the_largest_eigenvalue():
    problem = linear.least_squares(range(3), 5, 8)
    expected = [np.linalg.eigvalsh(X.T @ X).max() for X in problem.X.numpy()]
    assert linear.smoothness(problem)[:, 0].numpy() == pytest.approx(expected)


def test_in_metric_turns_the_weighted_norm_into_the_plain_one():
    problem = linear.least_squares([0], 5, 8)
    metric = linear.log_spaced_metric(8)
    turned = linear.in_metric(problem, metric)
    w = torch.randn(1, 8, dtype=torch.float64)
    same = (turned.X @ (w / metric.sqrt())[..., None])[..., 0]
    assert torch.allclose(same, (problem.X @ w[..., None])[..., 0])


def test_starts_are_not_the_problems():
    start = linear.random_start([0], 9)
    assert not torch.isclose(start, linear.least_squares([0], 1, 8).X[0, 0, 0]).any()


def test_clouds_face_each_other():
    X = linear.two_clouds(range(20), 500, 4, 3.0).X
    assert X.mean(1).norm(dim=1).numpy() == pytest.approx(np.full(20, 3), abs=0.2)
    alone = linear.two_clouds([5], 500, 4, 3.0).X
    assert torch.equal(alone[0], X[5])


def test_figure_one_keeps_its_extras_away():
    X = linear.figure_one(range(3), 12, 1.5).X
    assert X[0, :4].tolist() == [[0.5, 1.5], [1.5, 0.5]] * 2
    assert (X[:, 4:].sum(-1) / 2 >= 1.5).all()


def test_slopes_are_the_derivatives_of_their_losses():
    m = torch.linspace(-3, 5, 50, dtype=torch.float64, requires_grad=True)
    problem = linear.by_hand((1, 0))
    torch.nn.functional.softplus(-m).sum().backward()
    assert torch.allclose(problem.slopes(m.detach()), m.grad)
    m.grad = None
    fat = problem._replace(tail=3)
    torch.where(m > 0, (1 + m.clamp_min(0)) ** -3, 1 - 3 * m).sum().backward()
    assert torch.allclose(fat.slopes(m.detach()), m.grad)
    for each in (problem, fat):
        slopes = each.slopes(m.detach())
        assert torch.allclose(each.log_slopes(m.detach()).exp(), -slopes)


def test_pairs_have_the_margin_and_the_duals_that_they_were_written_for():
    shapes = [(0.5, 0.6, 0.2, 30), (2, 3, 0.5, 200)]
    for third in (), (1.2, 0.5, 0), (3, -1, 2):
        best = separable.maximum_margin(linear.pairs(shapes, third).X)
        assert best.margin == pytest.approx([0.5, 2])
        duals = [[1, 3], [0.5 / 14, 3 / 14]]
        assert best.duals[:, :2] == pytest.approx(np.array(duals))
        assert best.w[:, 2] == pytest.approx([0, 0])
    aside = linear.pairs(shapes, (1, 0, 1)).X[:, 2]
    assert (aside.norm(dim=1) / 2**0.5).tolist() == pytest.approx([0.5, 2])


def test_turning_keeps_lengths_and_angles():
    problem = linear.by_hand((1, 0.2), (0.3, 2))
    turned = linear.rotated(problem, 90)
    expected = torch.tensor([[-0.2, 1], [-2, 0.3]], dtype=torch.float64)
    assert torch.allclose(turned.X[0], expected)


def test_side_by_side_pads_with_nothing():
    large, small = linear.two_clouds([0], 5, 3, 2.0), linear.by_hand((1, 2))
    both = linear.side_by_side(large, small)
    assert both.X.shape == (2, 5, 3)
    assert torch.equal(both.X[0], large.X[0])
    assert both.X[1].count_nonzero() == 2
