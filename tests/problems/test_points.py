"""Where the points are, and what their labels are."""

import pytest
import torch

from helpers.dials import BookError
from helpers.problems import points


@pytest.mark.parametrize("directions", [1, 3, 20])
def test_gaussian_points_fill_their_directions(directions):
    X, y = points.gaussian(range(3), 200, 20, directions)
    assert X.shape == (3, 200, 20)
    assert y.shape == (3, 200)
    assert (torch.linalg.matrix_rank(X) == directions).all()
    assert X.square().sum(-1).mean().item() == pytest.approx(20, rel=0.15)
    assert set(y.unique().tolist()) == {-1, 1}
    assert abs(y.mean().item()) < 0.2


def test_even_points_are_evenly_spaced_on_a_line():
    X, _ = points.evenly(range(2), 50, 20)
    steps = X.diff(dim=1)
    assert torch.allclose(steps, steps[:, :1].expand_as(steps))
    assert torch.allclose(X.square().sum(-1).mean(1), torch.full((2,), 20.0).double())
    assert (torch.linalg.matrix_rank(X) == 1).all()


def test_halves_are_told_apart_by_a_plane():
    for X, y in zip(*points.gaussian(range(3), 40, 5, 5, "halves"), strict=True):
        from scipy.optimize import linprog

        rows = -(y[:, None] * X).numpy()
        found = linprog([0] * 5, rows, [-1] * 40, bounds=(None, None))
        assert found.success
    X, y = points.evenly([0], 40, 5, "halves")
    assert (y[0, :20] == y[0, 0]).all()
    assert (y[0, 20:] == -y[0, 0]).all()


def test_real_labels_are_spread_evenly():
    X, y = points.real_labels(range(3), 1000, 4)
    assert torch.equal(X, points.gaussian(range(3), 1000, 4, 4).X)
    share = ((y + 1) / 2).sort().values
    even = (torch.arange(1000) + 0.5) / 1000
    assert (share - even).abs().max() < 0.05  # Kolmogorov's distance
    assert torch.corrcoef(torch.cat([X[0].T, y[:1]]))[-1, :-1].abs().max() < 0.1


def test_a_seed_is_its_own():
    both, second = points.gaussian([1, 2], 10, 4, 2), points.gaussian([2], 10, 4, 2)
    assert torch.equal(both.X[1], second.X[0])
    assert torch.equal(both.y[1], second.y[0])


def test_other_labels_are_refused():
    with pytest.raises(BookError, match="no labels 'true'"):
        points.evenly([0], 10, 2, "true")
