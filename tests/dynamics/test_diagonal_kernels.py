"""The compiled loops against plain NumPy, a step at a time, as they are written."""

import numpy as np
import pytest

from helpers.dynamics import draws
from helpers.dynamics.diagonal_kernels import all_examples, few_examples, one_example

RANDOM = np.random.default_rng(3)
PROBLEMS, EXAMPLES, FEATURES = 2, 5, 7
Z = RANDOM.normal(size=(PROBLEMS, EXAMPLES, FEATURES))
Y = RANDOM.normal(size=(PROBLEMS, EXAMPLES))
KEYS = draws.keys([11, 12, 13, 14])  # two cells a problem
RATES = np.array([0.01, 0.02, 0.015, 0.03])
SIZES = np.array([0.0, 0.5, 1.0, 0.7])
LEVELS = draws.normal_levels()
U = RANDOM.uniform(0.3, 0.9, size=(4, FEATURES))
V = RANDOM.uniform(0.3, 0.9, size=(4, FEATURES))
FIRST, STEPS = 6, 40


def below(bits, n):
    return (bits >> 32) * n >> 32


def normals(key, count):
    """Five from each word, twelve bits each, the lowest first."""
    words = [draws.word(key, number) for number in range(-(-count // 5))]
    places = [words[j // 5] >> 12 * (j % 5) & 4095 for j in range(count)]
    return LEVELS[places]


def one_at_a_time(cell):
    """u, v and Σ log(1 − 4 rate² r²) after SGD, an example and a fair coin a step."""
    X, labels, rate = Z[cell % PROBLEMS], Y[cell % PROBLEMS], RATES[cell]
    u, v, change = U[cell], V[cell], 0.0
    for k in range(FIRST, FIRST + STEPS):
        bits = draws.word(int(KEYS[cell]), k)
        i = below(bits, EXAMPLES)
        error = SIZES[cell] if bits % 2 else -SIZES[cell]
        r = X[i] @ (u * u - v * v) - labels[i] + error
        pull = 2 * rate * r * X[i]
        u, v = u - pull * u, v + pull * v
        change += np.log(1 - 4 * rate**2 * r**2)
    return u, v, change


def all_at_once(cell, label, batch, sphere, signed):
    """u and v after descent on all examples with the noise that is asked for."""
    X, labels, rate = Z[cell % PROBLEMS], Y[cell % PROBLEMS], RATES[cell]
    u, v = U[cell], V[cell] * signed
    for k in range(FIRST, FIRST + STEPS):
        bits = draws.word(int(KEYS[cell]), k)
        a, b = below(bits, EXAMPLES), below(draws.word(bits, 0), EXAMPLES)
        r = X @ (u * u - v * v) - labels
        slope = X.T @ r / EXAMPLES + batch * (r[a] * X[a] - r[b] * X[b])
        slope = slope - label * LEVELS[bits % 4096] * X[a]
        kick_u = sphere * normals(draws.word(bits, 1), FEATURES)
        kick_v = sphere * normals(draws.word(bits, 2), FEATURES) * signed
        u = u - rate * (2 * slope * u + kick_u)
        v = v - rate * (-2 * slope * v + kick_v)
    return u, v


def in_batches(cell, batch):
    """u, v and what log β owes to noise and to step, after SGD in batches."""
    X, labels, rate = Z[cell % PROBLEMS], Y[cell % PROBLEMS], RATES[cell]
    u, v, noise, step = U[cell], V[cell], 0.0, 0.0
    for k in range(FIRST, FIRST + STEPS):
        pulls = (X @ (u * u - v * v) - labels)[:, None] * X
        key = draws.word(int(KEYS[cell]), k)
        drawn = range(EXAMPLES)
        if np.isfinite(batch):
            words = [draws.word(key, b) for b in range(int(batch))]
            drawn = [below(bits, EXAMPLES) for bits in words]
        r = X @ (u * u - v * v) - labels
        noise -= np.log(1 - 4 * rate**2 * r**2 / batch).mean()
        step = step - np.log(1 - 4 * rate**2 * (1 - 1 / batch) * pulls.mean(0) ** 2)
        slope = np.mean([pulls[i] for i in drawn], axis=0)
        u, v = u - 2 * rate * slope * u, v + 2 * rate * slope * v
    return u, v, noise, step


def fresh():
    return U.copy(), V.copy(), np.zeros(4), np.full(4, -1)


def test_sgd_step_by_step():
    u, v, change, diverged_at = fresh()
    one_example(Z, Y, u, v, change, diverged_at, RATES, SIZES, KEYS, FIRST, STEPS)
    for cell in range(4):
        expected = one_at_a_time(cell)
        assert u[cell] == pytest.approx(expected[0], rel=1e-12)
        assert v[cell] == pytest.approx(expected[1], rel=1e-12)
        assert change[cell] == pytest.approx(expected[2], rel=1e-12)
    assert (diverged_at == -1).all()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    "noise",
    [
        (0.0, 0.0, 0.0),
        (0.3, 0.0, 0.0),
        (0.0, 0.5, 0.0),
        (0.0, 0.0, 0.1),
        (0.3, 0.5, 0.1),
    ],
    ids=str,
)
def test_descent_step_by_step(signed, noise):
    u, v, _, diverged_at = fresh()
    v *= signed
    settings = RATES, noise, KEYS, FIRST, STEPS, LEVELS, signed, np.zeros(4)
    all_examples(Z, Y, u, v, diverged_at, *settings)
    for cell in range(4):
        expected = all_at_once(cell, *noise, signed)
        assert u[cell] == pytest.approx(expected[0], rel=1e-12)
        assert v[cell] == pytest.approx(expected[1], rel=1e-12, abs=1e-300)
    assert (diverged_at == -1).all()


def test_a_residual_that_is_huge_or_no_number_stops_a_cell_before_it_moves():
    u, v, change, diverged_at = fresh()
    u[1], u[2, 0], diverged_at[3] = 1e5, np.nan, 2
    before = u.copy(), v.copy()
    one_example(Z, Y, u, v, change, diverged_at, RATES, SIZES, KEYS, FIRST, STEPS)
    assert diverged_at.tolist() == [-1, FIRST, FIRST, 2]
    assert u[1:].tolist()[0] == before[0][1].tolist()
    assert (v[1:] == before[1][1:]).all()
    assert (u[0] != before[0][0]).all()
    assert change[1:].tolist() == [0, 0, 0]


def test_descent_rests_where_it_fits_unless_there_is_noise_on_labels():
    for noise, rests in (((0.0, 0.5, 0.0), True), ((0.3, 0.0, 0.0), False)):
        u, v, _, diverged_at = fresh()
        enough = np.full(4, 1e6)
        settings = RATES, noise, KEYS, FIRST, STEPS, LEVELS, True, enough
        all_examples(Z, Y, u, v, diverged_at, *settings)
        assert (u == U).all() == rests


def test_the_change_of_log_beta_is_a_sum_over_any_number_of_steps():
    """With features ±1 it is that of log uv; here its factors multiply to e⁻⁵⁵⁰."""
    u, v, change, diverged_at = fresh()
    signs, labels, noise = np.sign(Z), np.zeros_like(Y), 0.15 / RATES
    one_example(signs, labels, u, v, change, diverged_at, RATES, noise, KEYS, 0, 6000)
    expected = np.log(u * v) - np.log(U * V)
    assert (change < -500).all()
    assert np.broadcast_to(change[:, None], u.shape) == pytest.approx(expected)


def test_batches_step_by_step():
    u, v, noise, diverged_at = fresh()
    step, sizes = np.zeros_like(u), np.array([1.0, 2.0, 3.0, np.inf])
    settings = RATES, sizes, KEYS, FIRST, STEPS, np.zeros(4)
    few_examples(Z, Y, u, v, noise, step, diverged_at, *settings)
    for cell, size in enumerate(sizes):
        expected = in_batches(cell, size)
        assert u[cell] == pytest.approx(expected[0], rel=1e-12)
        assert v[cell] == pytest.approx(expected[1], rel=1e-12)
        assert noise[cell] == pytest.approx(expected[2], rel=1e-9)
        assert step[cell] == pytest.approx(expected[3], rel=1e-9)
    assert (diverged_at == -1).all()


def test_batches_rest_where_they_fit_and_say_where_they_diverge():
    u, v, noise, diverged_at = fresh()
    step, u[1], diverged_at[2] = np.zeros_like(u), 1e5, 2
    settings = RATES, np.ones(4), KEYS, FIRST, STEPS, np.full(4, 1e6)
    few_examples(Z, Y, u, v, noise, step, diverged_at, *settings)
    assert diverged_at.tolist() == [-1, FIRST, 2, -1]
    assert (u[[0, 2, 3]] == U[[0, 2, 3]]).all()
    assert not np.any([noise.any(), step.any()])
