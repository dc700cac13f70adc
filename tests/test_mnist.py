"""MNIST is read from its file, and no other file is taken for it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.dials import BookError
from helpers.images import mnist
from helpers.images.table import table

SHADES = (np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256).astype(np.uint8)
LABELS = [3, 7]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Two images, which are all there are of the test split."""
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    known = table(SHADES[:, None], LABELS, "MNIST").fingerprint
    monkeypatch.setitem(mnist.FINGERPRINTS, "test", known)
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, x_test=SHADES, y_test=LABELS)
    return path


def refusal():
    with pytest.raises(BookError) as wrong:
        mnist.mnist("test")
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


def test_it_is_read_from_its_file(file):
    found = mnist.mnist("test")
    assert found.pixels.shape == (2, 1, 28, 28)
    assert found.labels.tolist() == LABELS
    assert (found.pixels[:, 0].numpy() == SHADES).all()


def test_without_it_one_line_says_where_to_put_it(file):
    file.unlink()
    assert "is not there: put Keras's mnist.npz there" in refusal()
    assert list(file.parent.iterdir()) == []


def test_one_that_is_cut_short_is_one_line(file):
    whole = file.read_bytes()
    for length in 0, 3, len(whole) // 2, len(whole) - 1:
        file.write_bytes(whole[:length])
        assert "is not whole" in refusal()


def test_one_whose_bytes_were_changed_is_one_line(file):
    spoilt = bytearray(file.read_bytes())
    spoilt[len(spoilt) // 4] ^= 255
    file.write_bytes(spoilt)
    assert "is not whole" in refusal()


def test_other_images_are_not_taken_for_it(file):
    np.savez(file, x_test=255 - SHADES, y_test=LABELS)
    assert "holds other images than MNIST's" in refusal()


def test_other_arrays_are_one_line(file):
    np.savez(file, images=SHADES)
    assert "is not whole" in refusal()


def test_the_command_ends_with_that_line_and_records_nothing(file):
    folder = file.parent / "records"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "helpers", "record", "min_norm"],
        env=os.environ
        | {"BOOK_DATA": str(file.parent), "BOOK_RECORDS_FOLDER": str(folder)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert "mnist.npz is not whole: put" in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
    assert not [path for path in folder.rglob("*") if path.is_file()]
