"""Images are whole, named for what they are, and absent in one line."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from helpers.dials import BookError
from helpers.images import sources
from helpers.images.pair import as_signs, two_classes
from helpers.images.table import table


def test_digits_are_scikit_learns():
    train, test = sources.digits("train"), sources.digits("test")
    assert train.pixels.shape == (1437, 1, 8, 8)
    assert test.pixels.shape == (360, 1, 8, 8)
    assert train.pixels.dtype == torch.uint8
    assert train.pixels.max() == 255
    assert set(train.labels.tolist()) == set(range(10))
    assert train.fingerprint != test.fingerprint
    assert sources.digits("train").fingerprint == train.fingerprint


def test_the_digits_are_split_without_overlap():
    both = torch.cat([sources.digits(split).pixels for split in ("train", "test")])
    every = (load_digits().images * 255 / 16).round()
    assert both[:, 0].tolist() == every.tolist()


def test_torchvisions_data_sets_can_be_imported():
    """In a process of its own: whether torch is built for a GPU or not."""
    code = "from helpers.images.sources import datasets; print(datasets().CIFAR10)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "CIFAR10" in run.stdout, run.stderr


def fill(folder, count, brightness):
    """That many images a class, each filled with its own shade."""
    for label, name in enumerate(sources.CLASSES):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            shade = np.full((32, 32, 3), 10 * label + k + brightness, np.uint8)
            Image.fromarray(shade).save(folder / name / f"{k:04}.png")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Two images a class to train on, and a brighter one to test on."""
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setattr(sources, "SIZES", {"train": 20, "test": 10})
    fill(tmp_path / "cifar10/train", 2, 0)
    fill(tmp_path / "cifar10/test", 1, 150)
    return tmp_path / "cifar10/train"


def shades(images):
    return images.pixels[:, 0, 0, 0].tolist()


def test_a_mirror_is_read_and_called_one(mirror):
    found = sources.cifar10("train")
    assert found.source == "CIFAR-10 (PNG mirror)"
    assert found.pixels.shape == (20, 3, 32, 32)
    assert shades(found) == [10 * label + k for label in range(10) for k in range(2)]
    assert found.labels.tolist() == [label for label in range(10) for _ in range(2)]


def test_the_test_split_of_a_mirror_is_its_own(mirror):
    sources.cifar10("train")
    found = sources.cifar10("test")
    assert shades(found) == [10 * label + 150 for label in range(10)]
    assert found.labels.tolist() == list(range(10))


def test_the_test_split_of_cinic_is_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setattr(sources, "CINIC_SIZE", 10)
    fill(tmp_path / "cinic-10/train", 1, 0)
    fill(tmp_path / "cinic-10/test", 1, 150)
    for split, brightness in ("train", 0), ("test", 150):
        found = shades(sources.cinic10(split))
        assert found == [10 * label + brightness for label in range(10)]


@pytest.mark.parametrize("kind", ["CIFAR10", "CIFAR100"])
def test_torchvision_is_asked_for_the_split(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))

    class Found:
        def __init__(self, folder, *, train, download):
            self.data = np.full((1, 32, 32, 3), 150 - 100 * train, np.uint8)
            self.targets = [0]

    monkeypatch.setattr(sources.datasets(), kind, Found)
    read = getattr(sources, kind.lower())
    assert (shades(read("train")), shades(read("test"))) == ([50], [150])


def test_a_split_is_read_once_from_each_folder(tmp_path, monkeypatch):
    reads = []

    def read(split):
        reads.append(split)
        return table(np.zeros((1, 1, 8, 8)), [0], split)

    monkeypatch.setitem(sources.SOURCES, "digits", read)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("BOOK_DATA", str(tmp_path / name))
        for split in ("train", "test", "train"):
            assert sources.load_split("digits", split).source == split
    assert reads == ["train", "test"] * 2


def test_an_unknown_data_set_is_one_line():
    with pytest.raises(BookError, match="no data set 'mnist': choose digits, cif") as e:
        sources.load_split("mnist", "train")
    assert "\n" not in str(e.value)


def test_the_pair_is_two_classes_of_the_split_asked_for(mirror):
    train, test = two_classes("cifar10", "train"), two_classes("cifar10", "test")
    assert (shades(train), train.labels.tolist()) == ([0, 1, 10, 11], [0, 0, 1, 1])
    assert (shades(test), test.labels.tolist()) == ([150, 160], [0, 1])


def test_as_signs_is_the_plain_computation():
    """By scikit-learn's own arrays; unseen images are scaled like those of the pair."""
    digits = load_digits()
    pixels, threes = (digits.images * 255 / 16).round(), digits.target == 3
    pair = threes | (digits.target == 8)
    train, test = (np.arange(len(pixels)) < 1437) & pair, np.flatnonzero(pair)[-30:]
    scaled = (pixels - pixels[train].mean()) / pixels[train].std(ddof=1)
    pooled = scaled[test].reshape(-1, 1, 4, 2, 4, 2).mean((3, 5))
    some = two_classes("digits", "test").only(slice(-30, None))
    found, signs = as_signs(some, "digits", side=4)
    torch.testing.assert_close(found, torch.tensor(pooled).float())
    assert signs.dtype == torch.float32
    assert signs.tolist() == np.where(threes[test], 1, -1).tolist()


def test_the_cache_serves_and_a_spoilt_one_is_made_again(mirror):
    first = sources.cifar10("train")
    cache = mirror.with_name("train.npz")
    assert cache.is_file()
    assert sources.cifar10("train").fingerprint == first.fingerprint
    cache.write_bytes(cache.read_bytes()[:100])
    assert sources.cifar10("train").fingerprint == first.fingerprint


def test_the_cache_of_other_files_is_not_believed(mirror):
    sources.cifar10("train")
    white = np.full((32, 32, 3), 255, np.uint8)
    white[0, 0] = 1  # another size when compressed
    Image.fromarray(white).save(mirror / "airplane/0000.png")
    assert sources.cifar10("train").pixels[0, 0, 5, 5] == 255


def test_a_mirror_with_a_gap_is_one_line(mirror):
    shutil.rmtree(mirror / "ship")
    with pytest.raises(BookError, match="holds 18 of 20 images"):
        sources.cifar10("train")


def test_a_missing_data_set_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))

    def refused(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(sources.datasets(), "CIFAR10", refused)
    with pytest.raises(BookError) as wrong:
        sources.cifar10("train")
    assert "CIFAR-10 is neither whole under" in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert list(tmp_path.iterdir()) == []
