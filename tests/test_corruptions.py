"""Subsets, corruptions and folders: counted, seeded, refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.dials import BookError
from helpers.images import corruptions, sources
from helpers.images.table import subset, table


@pytest.fixture
def some():
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(1, 256, (200, 3, 8, 8), generator=draw)
    return table(pixels, torch.arange(200) % 10, "trial")


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_subset_has_as_many_of_each_class_and_grows(some):
    small, large = subset(some, 50, 3), subset(some, 100, 3)
    assert small.labels.bincount().tolist() == [5] * 10
    assert torch.equal(large.pixels[:50], small.pixels)
    assert not torch.equal(subset(some, 50, 4).pixels, small.pixels)
    assert len({image.numpy().tobytes() for image in large.pixels}) == 100


def test_more_than_there_is_is_one_line(some):
    with pytest.raises(BookError, match="201 images are wanted, trial has 200"):
        subset(some, 201, 0)


def test_standardised_by_channel(some):
    values = some.standardised()
    assert values.mean((0, 2, 3)).abs().max() < 1e-5
    assert (values.std((0, 2, 3)) - 1).abs().max() < 1e-4
    few = subset(some, 50, 0)
    both = table(
        torch.cat([few.pixels, some.pixels]), torch.zeros(250), "both"
    ).standardised(like=some)
    assert torch.equal(few.standardised(like=some), both[:50])


def test_random_labels_are_replaced_at_the_share_asked_for():
    labels = torch.zeros(20_000).long()
    drawn = corruptions.random_labels(labels, 10, 0.5, draw())
    assert (drawn != 0).float().mean().item() == pytest.approx(0.45, abs=0.02)
    assert torch.equal(corruptions.random_labels(labels, 10, 0, draw()), labels)


def test_shuffled_and_random_pixels_keep_every_value(some):
    shuffled = corruptions.shuffled_pixels(some.pixels, draw())
    randomised = corruptions.random_pixels(some.pixels, draw())
    for changed in shuffled, randomised:
        assert not torch.equal(changed, some.pixels)
        kept = changed.flatten(2).sort().values
        assert torch.equal(kept, some.pixels.flatten(2).sort().values)
    # the same permutation for every image, or one for each; never one for a channel
    first = [row.tolist() for row in some.pixels[0].flatten(1).T]
    where = [first.index(row.tolist()) for row in shuffled[0].flatten(1).T]
    assert torch.equal(
        shuffled.flatten(2), some.pixels.flatten(2)[..., torch.tensor(where)]
    )
    assert not torch.equal(
        randomised.flatten(2), some.pixels.flatten(2)[..., torch.tensor(where)]
    )
    rows = {tuple(row.tolist()) for row in randomised[1].flatten(1).T}
    assert rows <= {tuple(row.tolist()) for row in some.pixels[1].flatten(1).T}


def test_gaussian_pixels_have_the_channels_moments(some):
    dim = table(some.pixels // 4 + 90, some.labels, "dim").pixels
    noise = corruptions.gaussian_pixels(dim, draw()).float()
    near = {"rtol": 0.02, "atol": 0}
    expected = dim.float()
    torch.testing.assert_close(noise.mean((0, 2, 3)), expected.mean((0, 2, 3)), **near)
    torch.testing.assert_close(noise.std((0, 2, 3)), expected.std((0, 2, 3)), **near)


def test_zeroing_whole_pixels_and_components(some):
    whole = corruptions.zeroed(some.pixels, 0.25, True, draw()) == 0
    assert (whole.any(1).flatten(1).sum(1) == 16).all()
    assert torch.equal(whole.any(1), whole.all(1))
    parts = corruptions.zeroed(some.pixels, 0.25, False, draw()) == 0
    assert (parts.flatten(1).sum(1) == 48).all()
    assert not torch.equal(parts.any(1), parts.all(1))
    with pytest.raises(BookError, match="a share of 2 cannot be zeroed"):
        corruptions.zeroed(some.pixels, 2, True, draw())


def test_the_confusion_set_has_no_true_label_left(some):
    confused = corruptions.confusion_set(some, 3, 0.1, seed=1)
    assert len(confused.labels) == 600
    assert (confused.labels == some.labels.repeat(3)).float().mean() < 0.2
    same = (confused.pixels == some.pixels.repeat(3, 1, 1, 1)).float().mean()
    assert same.item() == pytest.approx(1 - 6 / 64, abs=1e-6)
    conflicting = confused.labels.view(3, 200)
    assert (conflicting[0] != conflicting[1]).float().mean() > 0.8
    again = corruptions.confusion_set(some, 3, 0.1, seed=1)
    assert again.fingerprint == confused.fingerprint


def test_half_of_the_images_are_mirrored(some):
    images, order = some.pixels.float(), torch.arange(200).repeat(20)
    seen = corruptions.crop_and_flip(images, order, draw(), pad=0)
    turned, same = ((seen == x[order]).all((1, 2, 3)) for x in (images.flip(3), images))
    assert (turned | same).all()
    assert turned.float().mean().item() == pytest.approx(0.5, abs=0.03)


def shade(path, value, side=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(path)


def test_cinic_of_the_wrong_classes_or_size_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    shade(tmp_path / "cinic-10/train/cat/0.png", 3)
    with pytest.raises(BookError, match="holds 1 of 90000 images: extract it again"):
        sources.cinic10("train")
    monkeypatch.setattr(sources, "CINIC_SIZE", 1)
    found = sources.cinic10("train")
    assert (found.labels.tolist(), found.source) == ([3], "CINIC-10")
    shade(tmp_path / "cinic-10/train/teapot/0.png", 3)
    with pytest.raises(BookError, match=r"classes of another data set \(teapot\)"):
        sources.cinic10("train")


def test_a_truncated_image_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setattr(sources, "CINIC_SIZE", 1)
    path = tmp_path / "cinic-10/train/cat/0.png"
    shade(path, 3)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BookError, match="is no whole image: extract it again"):
        sources.cinic10("train")


def test_restricted_imagenet_groups_the_classes(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    root = tmp_path / "imagenet/val"
    for k in range(1000):
        (root / f"n{k:08}").mkdir(parents=True)
    for k, value in ((151, 10), (268, 20), (269, 30), (30, 40), (300, 50)):
        shade(root / f"n{k:08}/a.JPEG", value, side=50)
    found = sources.restricted_imagenet("val", side=16)
    assert found.pixels.shape == (4, 3, 16, 16)
    shades = found.pixels[:, 0, 8, 8].tolist()
    assert shades == pytest.approx([10, 20, 40, 50], abs=1)
    assert found.labels.tolist() == [0, 0, 2, 8]
    (root / "n00000999").rmdir()
    with pytest.raises(BookError, match="holds 999 of 1000 class folders"):
        sources.restricted_imagenet("val", side=16)


def test_cifar100_comes_from_torchvision(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))

    class Found:
        data, targets = np.zeros((2, 32, 32, 3), np.uint8), [0, 99]

        def __init__(self, *_, **__):
            pass

    monkeypatch.setattr(sources.datasets(), "CIFAR100", Found)
    found = sources.cifar100("train")
    assert (found.classes, found.source) == (100, "CIFAR-100")

    def refused(*_, **__):
        raise RuntimeError("not found or corrupted")

    monkeypatch.setattr(sources.datasets(), "CIFAR100", refused)
    with pytest.raises(BookError, match="CIFAR-100 is neither whole under"):
        sources.cifar100("train")
