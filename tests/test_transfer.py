import pytest
import torch

from helpers.experiments import random_labels
from helpers.experiments.bad_minima import matrices
from helpers.experiments.random_labels import Task, Transfer
from helpers.training.recipe import Recipe


def directions(network):
    return [w / w.norm() for w in matrices(network)]


def norms(network):
    return torch.stack([w.norm() for w in matrices(network)])


@pytest.mark.parametrize("kept", ["all", "norms only", "directions only"])
def test_a_start_keeps_of_what_was_learnt_only_what_it_says(kept):
    how = Recipe(0.05, 10, 20, 0.9)
    task = Task(0, "digits", 60, side=8)

    def start(**changes):
        arm = {"before": how, "kept": kept} | changes
        usual = (task, random_labels.MLP, 32)
        run = Transfer(*usual, arm["before"], how, "others", arm["kept"], 50)
        return run.start(task.train_set())[0]

    found, fresh, learnt = start(), start(before=None), start(kept="all")
    size = fresh if kept == "directions only" else learnt
    way = fresh if kept == "norms only" else learnt
    assert not torch.allclose(norms(fresh), norms(learnt), rtol=1e-3)
    assert torch.allclose(norms(found), norms(size))
    for one, other in zip(directions(found), directions(way), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
