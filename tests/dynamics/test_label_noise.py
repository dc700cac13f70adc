"""Label-noise SGD step by step, against the formula written out with autograd."""

import numpy as np
import pytest
import torch

from helpers.dials import BookError
from helpers.dynamics import label_noise, linear
from helpers.problems import interpolating

SEEDS = (3, 8)
TASK = interpolating.paired_squares(SEEDS, 4, 6, 2)
AT_SIGNAL = np.concatenate([TASK.signal, 0.1 * np.ones_like(TASK.signal)], -1)
START = np.sqrt(AT_SIGNAL**2 + 0.0)
FITTED = np.concatenate([np.sqrt(TASK.signal + 0.01), START[:, 6:]], -1)
VALLEY = interpolating.two_curvatures()


def gradient(w, X, y):
    """Of the mean loss, by autograd, for one seed."""
    leaf = torch.tensor(w, requires_grad=True)
    u, v = leaf.chunk(2)
    f = torch.tensor(X) @ (u**2 - v**2)
    ((f - torch.tensor(y)) ** 2 / 2).mean().backward()
    return leaf.grad.numpy()


@pytest.mark.parametrize(("reduction", "times"), [("sum", 4), ("mean", 1)])
def test_the_gradient_is_that_of_the_sum_or_of_the_mean(reduction, times):
    found = linear.gradient(TASK, FITTED + 0.1, reduction)
    for seed in range(2):
        mean = gradient(FITTED[seed] + 0.1, TASK.X[seed], TASK.y[seed])
        np.testing.assert_allclose(found[seed], times * mean, rtol=1e-12)


def test_descent_is_gradient_descent():
    w = FITTED + 0.1
    found = label_noise.snapshots(label_noise.descent(TASK, w, 0.01), [0, 3])
    np.testing.assert_array_equal(found[0], w)
    for seed in range(2):
        by_hand = w[seed]
        for _ in range(3):
            by_hand = by_hand - 0.01 * gradient(by_hand, TASK.X[seed], TASK.y[seed])
        np.testing.assert_allclose(found[1, seed], by_hand, rtol=1e-12)


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("momentum", [0, 0.7])
def test_label_noise_descends_on_disturbed_labels(batch, momentum):
    how = {"batch": batch, "momentum": momentum}
    stream = label_noise.label_noise_sgd(TASK, FITTED, 0.01, 0.3, SEEDS, **how)
    found = label_noise.snapshots(stream, [4])[0]
    size = batch or 4
    for place, seed in enumerate(SEEDS):
        random = np.random.default_rng(seed)
        picks = [np.arange(4)] * 512
        if batch:
            picks = random.integers(4, size=(512, batch))
        signs = 2.0 * random.integers(2, size=(512, size), dtype=np.int8) - 1
        w, velocity = FITTED[place], 0
        for rows, sign in zip(picks[:4], signs[:4], strict=True):
            told = TASK.y[place, rows] + 0.3 * sign
            g = gradient(w, TASK.X[place, rows], told)
            velocity = momentum * velocity - 0.01 * g
            w = w + velocity
        np.testing.assert_allclose(found[place], w, rtol=1e-12)


def test_a_seed_is_one_run_in_any_company():
    few = interpolating.paired_squares(SEEDS[1:], 4, 6, 2)
    stream = label_noise.label_noise_sgd(few, FITTED[1:], 0.01, 0.3, SEEDS[1:], batch=1)
    alone = label_noise.snapshots(stream, [9])[0]
    stream = label_noise.label_noise_sgd(TASK, FITTED, 0.01, 0.3, SEEDS, batch=1)
    np.testing.assert_allclose(alone[0], label_noise.snapshots(stream, [9])[0, 1])


def test_chains_of_one_seed_differ_and_all_stay_in_shape():
    w = np.zeros((3, 2, 3))
    stream = label_noise.label_noise_sgd(VALLEY, w, 0.1, 0.3, SEEDS)
    found = label_noise.snapshots(stream, [5])[0]
    assert found.shape == w.shape
    assert len(np.unique(found[..., 0])) == 6


def test_turned_kicks_are_as_long_as_those_of_label_noise():
    """From a minimum, where the clean gradient is zero, a step is the kick alone."""
    w = np.zeros((2000, 2, 3))
    kicks = {}
    for name in ("label_noise_sgd", "turned_noise_sgd"):
        stream = getattr(label_noise, name)(VALLEY, w, 0.1, 0.3, SEEDS)
        kicks[name] = label_noise.snapshots(stream, [1])[0]
    lengths = {m: np.linalg.norm(kick, axis=-1) for m, kick in kicks.items()}
    np.testing.assert_allclose(*lengths.values(), rtol=1e-12)
    assert np.abs(kicks["label_noise_sgd"][..., 2]).max() == 0
    share = (
        kicks["turned_noise_sgd"][..., 2].var() / lengths["turned_noise_sgd"][0, 0] ** 2
    )
    assert share == pytest.approx(1 / 3, rel=0.05)


def test_the_jacobian_knows_trace_and_largest_curvature():
    tangents = (
        2 * TASK.X[..., None, :] * np.stack([FITTED[:, :6], -FITTED[:, 6:]], 1)[:, None]
    )
    flat = tangents.reshape(2, 4, 12)
    np.testing.assert_allclose(label_noise.jacobian(TASK, FITTED), flat)
    hessians = np.einsum("snp,snq->spq", flat, flat) / 4
    trace = np.trace(hessians, axis1=1, axis2=2)
    np.testing.assert_allclose(label_noise.trace(TASK, FITTED), trace)
    top = np.linalg.eigvalsh(hessians)[:, -1]
    np.testing.assert_allclose(label_noise.largest_curvature(TASK, FITTED), top)


def test_mean_square_is_that_of_the_residuals():
    w = FITTED + 0.1
    r = TASK.linearise(w)[0] - TASK.y
    np.testing.assert_allclose(label_noise.mean_square(TASK, w), (r**2).mean(-1))


def test_sampled_keeps_one_in_every_so_many():
    assert list(label_noise.sampled(iter(range(100)), 10, 40, 15)) == [10, 25]


@pytest.mark.parametrize(
    ("w", "rate", "noise", "message"),
    [
        (FITTED, 0.01, -0.1, "label noise of size -0.1"),
        (FITTED + 0.5, 0.01, 0.1, "the start is no minimum"),
        (FITTED, 5.0, 0.1, "take a smaller one"),
        (FITTED * np.nan, 0.01, 0.1, "the start is no minimum"),
    ],
)
@pytest.mark.parametrize("method", ["label_noise_sgd", "turned_noise_sgd"])
def test_bad_input_is_one_line(method, w, rate, noise, message):
    with pytest.raises(BookError, match=message) as error:
        next(getattr(label_noise, method)(TASK, w, rate, noise, SEEDS))
    assert "\n" not in str(error.value)
