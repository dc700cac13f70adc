"""Recipes, and what an epoch shows."""

import pytest
import torch

from helpers import networks
from helpers.dials import BookError
from helpers.training.epochs import Examples, epoch, steps_an_epoch
from helpers.training.recipe import Recipe, correct
from helpers.training.weights import load_or_train


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rate": 0}, "a rate of 0 does not train"),
        ({"rate": float("nan")}, "a rate of nan does not train"),
        ({"batch": 0}, "a batch of 0 is empty"),
        ({"label_noise": -1}, "label noise cannot be negative"),
        ({"loss": "hinge"}, "'hinge' is unknown: choose cross-entropy or square"),
        ({"precision": "fp8"}, "'fp8' is unknown: choose float32 or bf16"),
    ],
)
def test_a_bad_recipe_is_one_line(how, message):
    with pytest.raises(BookError, match=message):
        Recipe(**{"rate": 0.1, "epochs": 1} | how)


def test_the_rate_rises_and_falls():
    recipe = Recipe(1.0, 10, warmup=4, drops=(0.5, 0.8))
    rates = [recipe.rate_at(step, 2) for step in range(20)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[9:11] == pytest.approx([1.0, 0.1])
    assert rates[15:17] == pytest.approx([0.1, 0.01])


def test_when_a_network_fits():
    assert Recipe(0.1, 1).fits(1.0, 5.0)
    assert not Recipe(0.1, 1).fits(0.999, 0.0)
    assert Recipe(0.1, 1, stop_accuracy=None, stop_loss=0.1).fits(0.0, 0.1)
    assert not Recipe(0.1, 1, stop_loss=0.1).fits(1.0, 0.2)
    assert not Recipe(0.1, 1, stop_accuracy=None).fits(1.0, 0.0)


def test_what_is_correct():
    rows = torch.tensor([[[0.2, 0.8], [0.9, 0.1]]])
    assert correct(rows, torch.tensor([[1, 1]])).tolist() == [[True, False]]
    ones = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    assert correct(rows, ones).tolist() == [[True, False]]
    signs = correct(torch.tensor([[2.0, -2.0]]), torch.tensor([[1.0, 1.0]]))
    assert signs.tolist() == [[True, False]]


def numbered(size=50):
    values = torch.arange(size).float()
    images = values[:, None, None, None].expand(size, 1, 8, 8) + 1
    return Examples(images.contiguous(), torch.arange(size) % 5)


def test_an_epoch_shows_everything_once_in_a_new_order():
    examples, recipe = numbered(), Recipe(0.1, 3, 10)
    first, second = (epoch(examples, recipe, 0, number) for number in (0, 1))
    for shown in first, second:
        assert shown.inputs[:, 0, 0, 0].sort().values.tolist() == list(range(1, 51))
        assert torch.equal(shown.targets, (shown.inputs[:, 0, 0, 0].long() - 1) % 5)
    assert not torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.inputs, epoch(examples, recipe, 0, 0).inputs)
    assert not torch.equal(first.inputs, epoch(examples, recipe, 1, 0).inputs)


def test_what_fills_no_batch_waits():
    recipe = Recipe(0.1, 1, 15)
    assert steps_an_epoch(numbered(), recipe) == 3
    assert len(epoch(numbered(), recipe, 0, 0).targets) == 45


def test_independent_batches_repeat_examples():
    shown = epoch(numbered(), Recipe(0.1, 1, 10, with_replacement=True), 0, 0)
    assert len(shown.inputs[:, 0, 0, 0].unique()) < 50


def test_augmentation_shifts_and_mirrors_each_image_by_itself():
    examples = Examples(torch.arange(1.0, 641).view(10, 1, 8, 8), torch.arange(10))
    shown = epoch(examples, Recipe(0.1, 1, 10, augment=True), 0, 0)
    kinds = set()
    for image, number in zip(shown.inputs, shown.targets, strict=True):
        original = examples.inputs[number]
        wide = torch.nn.functional.pad(original, (1, 1, 1, 1))
        allowed = {
            (down, right, mirrored): cut.flip(2) if mirrored else cut
            for down in range(3)
            for right in range(3)
            for mirrored in (False, True)
            for cut in [wide[:, down : down + 8, right : right + 8]]
        }
        found = [kind for kind, cut in allowed.items() if torch.equal(cut, image)]
        assert len(found) == 1
        kinds.update(found)
    assert len(kinds) > 3


def test_label_noise_has_the_share_and_the_deviation_asked_for():
    many = Examples(torch.zeros(20_000, 1), torch.zeros(20_000).long())
    many.targets[0] = 4  # five classes
    shown = epoch(many, Recipe(0.1, 1, 100, label_noise=0.5), 0, 0)
    assert (shown.targets != 0).float().mean() == pytest.approx(0.4, abs=0.02)
    real = Examples(torch.zeros(20_000, 1), torch.ones(20_000))
    shown = epoch(real, Recipe(0.1, 1, 100, loss="square", label_noise=0.5), 0, 0)
    assert shown.targets.std().item() == pytest.approx(0.5, rel=0.03)
    assert shown.targets.mean().item() == pytest.approx(1, abs=0.02)


def test_weights_are_trained_once(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    spec, calls = Recipe(0.1, 1), []

    def ask():
        network = networks.build("mlp", inputs=(4,), width=3)

        def prepare():
            calls.append(1)
            with torch.no_grad():
                network[1].weight.fill_(7)

        load_or_train(spec, [network], prepare)
        return network[1].weight.unique().tolist()

    assert ask() == ask() == [7]
    assert len(calls) == 1
    kept = next((tmp_path / "weights").iterdir())
    kept.write_bytes(kept.read_bytes()[:50])
    assert ask() == [7]
    assert len(calls) == 2
    monkeypatch.setenv("BOOK_RECORDS", "fresh")
    monkeypatch.setenv("BOOK_FRESH_SINCE", "2999-01-01")
    assert ask() == [7]
    assert len(calls) == 3
