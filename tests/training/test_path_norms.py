"""Norms of paths, compared with a walk along every one of them."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from helpers.training.path_norms import path_norms


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def every_path(net):
    """Of each unit, the product along each of its paths; the bias is an input."""
    into = np.c_[net[0].weight.tolist(), net[0].bias.tolist()]
    out = np.array(net[2].weight.tolist())
    return np.array(
        [
            [into[j, i] * out[k, j] for i, k in product(range(4), range(2))]
            for j in range(4)
        ]
    )


@pytest.fixture
def norms():
    return path_norms(network(1), network(0))


def test_norms_are_those_of_all_paths(norms):
    paths = every_path(network(1))
    assert norms["path"] == pytest.approx(np.linalg.norm(paths))
    assert norms["sum"] == pytest.approx(np.linalg.norm(paths, axis=1).sum())


def test_what_moved_is_counted_from_the_start(norms):
    moved = every_path(network(1)) - every_path(network(0))
    assert norms["path_moved"] == pytest.approx(np.linalg.norm(moved))
    assert norms["sum_moved"] == pytest.approx(np.linalg.norm(moved, axis=1).sum())


def test_distance_leaves_out_what_no_path_begins_with(norms):
    now, then = network(1), network(0)
    pairs = zip(now.parameters(), then.parameters(), strict=True)
    squares = [(one - other).square().sum().item() for one, other in pairs]
    assert norms["distance"] == pytest.approx(sum(squares[:3]) ** 0.5)


def test_a_unit_that_is_split_keeps_its_sum_and_not_its_path():
    """k copies of a unit, each weight divided by √k, are the same function."""
    one, four = (nn.Sequential(nn.Linear(1, k), nn.Linear(k, 1)) for k in (1, 4))
    for net, weight in (one, 1.0), (four, 0.5):
        for part in net.parameters():
            nn.init.constant_(part, weight)
        nn.init.zeros_(net[0].bias)
    split, whole = path_norms(four, four), path_norms(one, one)
    assert (whole["sum"], split["sum"]) == pytest.approx((1, 1))
    assert (whole["path"], split["path"]) == pytest.approx((1, 0.5))
    assert split["path_moved"] == split["distance"] == 0
