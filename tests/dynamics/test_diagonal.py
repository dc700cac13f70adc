"""Steps of the diagonal network against a loop that torch differentiates."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from helpers.dials import BookError
from helpers.dynamics import diagonal, draws
from helpers.oracles.diagonal import flow_limit
from helpers.problems.linear import sparse_signal

SEEDS = range(3)
TASK = sparse_signal(SEEDS, 6, 10, 2).problem
NORMAL = sparse_signal(SEEDS, 6, 10, 2, signs=False).problem
STEPS = 300
LEVELS = draws.normal_levels()
each_noise = pytest.mark.parametrize(
    "noise", [{}, {"label": 0.3}, {"batch": 0.5}, {"sphere": 0.01}], ids=str
)


def split_mix(key):
    """The published generator, one state after the other."""
    mask, state = 2**64 - 1, key
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def below(bits, n):
    return (bits >> 32) * n >> 32


def normals(key, count):
    words = [draws.word(key, j) for j in range(-(-count // 5))]
    return [LEVELS[words[j // 5] >> 12 * (j % 5) & 4095] for j in range(count)]


def reference(task, loss_of, rate, steps, shake=None, positive=False):
    """torch.optim.SGD on a loss that is written out, one seed after the other."""
    ends = []
    for seed in SEEDS:
        X, y = task.X[seed], task.y[seed]
        both = torch.full((2, X.shape[1]), 0.7, dtype=torch.float64)
        both[1] *= not positive
        both.requires_grad_()
        optimiser = torch.optim.SGD([both], lr=rate)
        key = int(draws.keys(seed))
        for k in range(steps):
            bits = draws.word(key, k)
            optimiser.zero_grad()
            f = X @ (both[0] ** 2 - both[1] ** 2)
            loss_of(f, y, bits).backward()
            if shake:
                for row in range(2 - positive):
                    fresh = normals(draws.word(bits, row + 1), X.shape[1])
                    both.grad[row] += shake * torch.tensor(fresh)
            optimiser.step()
        ends.append(both.detach().numpy())
    return np.stack(ends, axis=1)


def one_label(sigma):
    def loss(f, y, bits):
        i = below(bits, len(y))
        wrong = y[i] - (sigma if bits & 1 else -sigma)
        return (f[i] - wrong).square() / 2

    return loss


def all_labels(label=0.0, batch=0.0, sphere=0.0):
    def loss(f, y, bits):
        a, b = below(bits, len(y)), below(draws.word(bits, 0), len(y))
        half = (f - y).square() / 2
        wrong = y[a] + label * LEVELS[bits & 4095]
        noise = (f[a] - wrong).square() / 2 - half[a]
        return half.mean() + noise + batch * (half[a] - half[b])

    return loss


def test_draws_are_the_published_generator():
    stream = split_mix(12345)
    assert [draws.word(12345, k) for k in range(20)] == [
        next(stream) for _ in range(20)
    ]
    known = split_mix(1234567)  # the first outputs given with the reference code
    assert [next(known) for _ in range(2)] == [6457827717110365317, 3203168211198807973]


def test_normal_levels_are_normal():
    assert pytest.approx(0, abs=1e-12) == LEVELS.mean()
    assert pytest.approx(1) == LEVELS.var()
    assert (LEVELS**4).mean() == pytest.approx(3, abs=0.02)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("task", [TASK, NORMAL], ids=["signs", "normal"])
def test_sgd_is_torch_on_the_same_random_numbers(task, sigma):
    state = diagonal.start(task, 0.7)
    found = diagonal.sgd(task, state, 0.005, STEPS, noise=sigma, seeds=SEEDS)
    expected = reference(task, one_label(sigma), 0.005, STEPS)
    assert np.stack([found.u, found.v]) == pytest.approx(expected, rel=1e-11)


@each_noise
@pytest.mark.parametrize("positive", [False, True])
def test_descent_is_torch_on_the_same_random_numbers(noise, positive):
    state = diagonal.start(NORMAL, 0.7, positive=positive)
    found = diagonal.descent(NORMAL, state, 0.005, STEPS, seeds=SEEDS, **noise)
    losses = all_labels(**noise)
    shake = noise.get("sphere")
    expected = reference(NORMAL, losses, 0.005, STEPS, shake, positive)
    assert np.stack([found.u, found.v]) == pytest.approx(expected, rel=1e-10)


def test_a_cell_is_the_same_in_any_company():
    rates, sigmas = np.array([[0.002], [0.005]]), np.array([[0.5], [1.0]])
    state = diagonal.start(TASK, [0.5, 0.7])
    end = diagonal.sgd(TASK, state, rates, 5000, noise=sigmas, seeds=SEEDS)
    assert end.u.shape == (2, 3, 10)
    begin = diagonal.start(TASK, 0.7)
    alone = diagonal.sgd(TASK, begin, 0.005, 5000, noise=1.0, seeds=SEEDS)
    assert alone.u == pytest.approx(end.u[1], rel=1e-12)
    assert alone.log_beta_change == pytest.approx(end.log_beta_change[1], rel=1e-12)


def test_a_pause_changes_nothing():
    state = diagonal.start(TASK, 0.7)
    how = {"noise": 1.0, "seeds": SEEDS}
    whole = diagonal.sgd(TASK, state, 0.005, 600, **how)
    half = diagonal.sgd(TASK, state, 0.005, 250, **how)
    assert diagonal.sgd(TASK, half, 0.005, 350, **how).u.tolist() == whole.u.tolist()
    states = diagonal.sgd_path(TASK, state, 0.005, [250, 600], **how)
    assert states[1].u.tolist() == whole.u.tolist()
    assert [at.steps for at in states] == [250, 600]


def test_each_phase_of_a_descent_has_a_tenth_of_the_rate():
    state = diagonal.start(NORMAL, 0.7)
    settings = {"label": 0.3, "seeds": SEEDS}
    states = diagonal.descent_path(
        NORMAL, state, 0.005, [100, 150, 200], phase=100, **settings
    )
    first = diagonal.descent(NORMAL, state, 0.005, 100, **settings)
    assert states[0].u.tolist() == first.u.tolist()
    second = diagonal.descent(NORMAL, first, 0.0005, 100, **settings)
    assert states[2].u == pytest.approx(second.u, rel=1e-14)


def test_state_says_what_it_holds():
    state = diagonal.start(TASK, 0.7)
    assert state.beta == pytest.approx(2 * 0.49)
    assert (state.w == 0).all()
    assert (state.theta == 0).all()
    later = diagonal.sgd(TASK, state, 0.005, 400, noise=1.0, seeds=SEEDS)
    assert later.w == pytest.approx(later.beta * np.sinh(later.theta), rel=1e-12)
    assert np.log(later.beta / 0.98) == pytest.approx(
        np.broadcast_to(later.log_beta_change[:, None], (3, 10)), abs=1e-12
    )


def test_descent_ends_where_the_flow_does():
    state = diagonal.start(NORMAL, 1.0)
    end = diagonal.descent(NORMAL, state, 2e-3, 200_000)
    limit = flow_limit(*NORMAL, np.log(2.0))
    assert end.w == pytest.approx(limit, abs=3e-3)
    again = diagonal.descent(NORMAL, end, 2e-3, 1000)
    assert again.u.tolist() == end.u.tolist()  # it rests


def test_slope_and_curvature_are_those_of_torch():
    state = diagonal.start(NORMAL, 0.7)
    state = diagonal.descent(NORMAL, state, 0.005, 3000)
    for seed in SEEDS:
        X, y = NORMAL.X[seed], NORMAL.y[seed]

        def f(both, X=X):
            return X @ (both[0] ** 2 - both[1] ** 2)

        both = torch.tensor(np.stack([state.u[seed], state.v[seed]]))
        J = torch.autograd.functional.jacobian(f, both).flatten(1)
        slopes = J.square().sum(1).max().item()
        assert diagonal.largest_slope(NORMAL, state)[seed] == pytest.approx(slopes)
        top = torch.linalg.eigvalsh(J @ J.T / len(y))[-1].item()
        assert diagonal.largest_curvature(NORMAL, state)[seed] == pytest.approx(top)


def test_a_run_that_diverges_says_so():
    state = diagonal.start(TASK, 0.7)
    how = {"noise": 1.0, "seeds": SEEDS}
    end = diagonal.sgd(TASK, state, 0.5, 500, may_diverge=True, **how)
    assert (end.diverged_at >= 0).all()
    assert np.isfinite(end.u).all()
    more = diagonal.sgd(TASK, end, 0.5, 500, may_diverge=True, **how)
    assert more.diverged_at.tolist() == end.diverged_at.tolist()
    assert more.u.tolist() == end.u.tolist()
    with pytest.raises(BookError, match="3 of 3 runs diverged, the first at step"):
        diagonal.sgd(TASK, end, 0.001, 10, **how)


@pytest.mark.parametrize(
    ("step", "rate"), [(diagonal.sgd, 0.06), (diagonal.descent, 0.2)]
)
def test_a_rate_beyond_stability_is_refused_in_one_line(step, rate):
    with pytest.raises(BookError, match=r"beyond stability.*take a rate below") as no:
        step(TASK, diagonal.start(TASK, 0.7), rate, 10)
    assert "\n" not in str(no.value)


def test_settings_must_fit_the_cells():
    with pytest.raises(BookError, match="does not fit cells of shape"):
        diagonal.sgd(TASK, diagonal.start(TASK, 0.7), [1e-3, 1e-3], 10)


@pytest.mark.parametrize(("n", "d", "kappa"), [(12, 10, 2), (5, 10, 6)])
def test_a_problem_that_makes_no_sense_is_refused(n, d, kappa):
    with pytest.raises(BookError, match="take at least as many examples"):
        sparse_signal(SEEDS, n, d, kappa)


def test_the_door_is_cheap():
    code = "import helpers.dynamics.diagonal, sys; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "False"


def test_falls_are_those_of_log_beta_where_the_theory_is_exact():
    """On signs: of all examples a step, and of one where there is only one."""
    begin = diagonal.start(TASK, 0.5)
    end, falls = diagonal.in_batches(TASK, begin, 0.01, np.inf, 200)
    assert falls.step == pytest.approx(np.log(begin.beta / end.beta), rel=1e-9)
    assert not falls.noise.any()
    alike = TASK._replace(X=TASK.X[:, :1], y=TASK.y[:, :1] + 1)
    end, falls = diagonal.in_batches(alike, begin, 0.01, 1, 200)
    fall = np.log(begin.beta / end.beta)
    assert np.broadcast_to(falls.noise[:, None], fall.shape) == pytest.approx(fall)
    assert not falls.step.any()
