"""What the networks of the chapter on width are told, and how they begin."""

import pytest
import torch

from helpers.experiments.width import (
    LESSON,
    LastLayer,
    Task,
    hidden_layer,
    median_margin,
    unscaled,
)
from helpers.training.epochs import Examples


@pytest.fixture
def digits():
    return Task("digits", side=8, examples=300)


def test_labels_are_drawn_anew_for_training_only(digits):
    noisy = Task("digits", 8, 300, noise=1.0)
    own, same = noisy.train_set(0), digits.train_set(0)
    assert own.inputs.equal(same.inputs)
    right = (own.targets == same.targets).float().mean().item()
    assert right == pytest.approx(0.1, abs=0.06)
    assert noisy.test_set().targets.equal(digits.test_set().targets)


def test_pixels_are_standardised_over_all_training_images():
    whole = Task("digits", 8, 1437).train_set(0).inputs
    assert whole.mean().item() == pytest.approx(0, abs=1e-5)
    assert whole.std().item() == pytest.approx(1, abs=1e-5)


def test_a_teacher_labels_both_sets_by_one_rule(digits):
    taught = Task("digits", 8, 300, taught=4, teaching=LESSON)
    again = Task("digits", 8, 200, taught=4, teaching=LESSON)
    assert taught.test_set().targets.equal(again.test_set().targets)
    assert not taught.test_set().targets.equal(digits.test_set().targets)


def test_a_large_start_is_the_usual_one_with_larger_weights_out():
    usual, large = (hidden_layer(64, 256, seed=3, out=out) for out in (0, 10))
    assert large[0].weight.equal(usual[0].weight)
    assert large[2].weight.abs().max().item() == pytest.approx(10, rel=0.01)
    ratio = large[2].weight / usual[2].weight
    assert ratio.detach().numpy() == pytest.approx(160, rel=1e-5)


def test_rate_of_a_large_start_falls_with_the_width(digits):
    narrow, wide = (unscaled(digits, width).recipe.rate for width in (16, 64))
    assert narrow / wide == pytest.approx(4)


def test_margin_is_over_the_best_of_the_others():
    net = torch.nn.Identity()
    net.weights = torch.nn.Parameter(torch.zeros(1))  # says where it lives
    scores = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 5.0], [1.0, 0.5, 0.0]])
    assert median_margin(net, Examples(scores, torch.tensor([0, 1, 0]))) == 0.5


def test_many_units_come_near_the_limit(digits):
    few, many, limit = (
        LastLayer(seeds=(0,), task=digits, width=width).run()[0]["test_error"]
        for width in (20, 4096, None)
    )
    assert abs(many - limit) < 0.03 < few - limit
