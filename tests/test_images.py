"""Images are whole, named for what they are, and absent in one line."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.dials import BookError
from helpers.images import sources


def test_digits_are_scikit_learns():
    train, test = sources.digits("train"), sources.digits("test")
    assert train.pixels.shape == (1437, 1, 8, 8)
    assert test.pixels.shape == (360, 1, 8, 8)
    assert train.pixels.dtype == torch.uint8
    assert train.pixels.max() == 255
    assert set(train.labels.tolist()) == set(range(10))
    assert train.fingerprint != test.fingerprint
    assert sources.digits("train").fingerprint == train.fingerprint


def test_torchvisions_data_sets_can_be_imported():
    """In a process of its own: whether torch is built for a GPU or not."""
    code = (
        "from helpers.images import sources as s; print(s.datasets().CIFAR10.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "CIFAR10", run.stderr


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Two images a class, each filled with its own shade."""
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setattr(sources, "SIZES", {"train": 20, "test": 20})
    for label, name in enumerate(sources.CLASSES):
        folder = tmp_path / "cifar10/train" / name
        folder.mkdir(parents=True)
        for k in range(2):
            shade = np.full((32, 32, 3), 10 * label + k, np.uint8)
            Image.fromarray(shade).save(folder / f"{k:04}.png")
    return tmp_path / "cifar10/train"


def test_a_mirror_is_read_and_called_one(mirror):
    found = sources.cifar10("train")
    assert found.source == "CIFAR-10 (PNG mirror)"
    assert found.pixels.shape == (20, 3, 32, 32)
    shades = [10 * label + k for label in range(10) for k in range(2)]
    assert found.pixels[:, 0, 0, 0].tolist() == shades
    assert found.labels.tolist() == [label for label in range(10) for _ in range(2)]


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
