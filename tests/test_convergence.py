"""What a journey tells, on paths made by hand; and how a needed width is found."""

import itertools

import numpy as np
import pytest
import torch

from helpers.dynamics import wide
from helpers.experiments import convergence
from helpers.experiments.convergence import Altered, Journey, Needed, lasting
from helpers.problems.wide import on_sphere


def by_hand(speed=(0.1, 0.2), rate=0.5, looks=40):
    """Two seeds whose error falls exactly, one factor a step."""
    steps = torch.arange(looks) * 10
    fall = torch.tensor(speed, dtype=torch.float64)
    residual = 3 * torch.exp(-fall * steps[:, None])
    grown = steps[:, None] * torch.ones(2, dtype=torch.float64)
    least = torch.ones_like(residual) * torch.tensor([0.4, 0.1])
    path = wide.Path(
        steps, residual, least, 5 * least, 2 * least, grown / 100, grown, 3 * grown
    )
    kernel = torch.diag(torch.tensor([0.4, 2.0], dtype=torch.float64)).expand(2, 2, 2)
    labels = torch.tensor([[1.0, 1], [1, -1]], dtype=torch.float64)
    rates = torch.full((2,), rate, dtype=torch.float64)
    return Journey(path, kernel, labels, wide.Kind(), rates)


def test_the_late_slope_is_over_what_is_foretold():
    found = by_hand().late_slope()
    assert np.allclose(found, [0.1 / 0.2, 0.2 / 0.05])
    other = by_hand().late_slope(torch.tensor([0.1, 0.1]))
    assert np.allclose(other, [0.1 / 0.05, 0.2 / 0.05])


def test_the_ratio_counts_while_there_is_an_error():
    journey = by_hand()
    assert np.allclose(journey.least_ratio(), 2)
    ratio = journey.path.ratio.clone()
    ratio[-1] = 0  # long after 1e-7
    assert np.allclose(
        journey._replace(path=journey.path._replace(ratio=ratio)).least_ratio(), 2
    )


def test_the_way_and_its_detour():
    journey = by_hand()
    shortest = np.sqrt(1 / 0.4 + 1 / 2)
    assert np.allclose(journey.way(), 390 / shortest)
    assert np.allclose(journey.detour(), 3)


def test_the_kernel_is_looked_at_when_little_is_left():
    looks = np.ceil(np.log(1e4) / np.array([1.0, 2.0]))
    assert np.allclose(by_hand().kernel_moved(), looks / 10)


def test_a_frozen_kernel_step_by_step():
    journey = by_hand()
    r = journey.labels.clone()
    for _ in range(10):
        r = r - 0.5 * (journey.kernel @ r[..., None])[..., 0]
    assert np.allclose(journey.frozen()[1], r.norm(dim=1))


def test_the_detour_of_a_frozen_kernel_step_by_step():
    journey = by_hand()
    r, length, gone = journey.labels.clone(), 0, 0
    root = torch.linalg.cholesky(journey.kernel)  # a Jacobian with this kernel
    for _ in range(int(journey.path.steps[-1])):
        step = 0.5 * (root.mT @ r[..., None])[..., 0]
        length, gone = length + step.norm(dim=1), gone + step
        r = r - (root @ step[..., None])[..., 0]
    assert np.allclose(journey.detour_foretold(), length / gone.norm(dim=1))


def test_a_wide_network_follows_its_frozen_kernel():
    problem = on_sphere([1, 2], 5, 6)
    found = convergence.journey(problem, [1, 2], 4000, until=1e-2)
    assert np.allclose(found.frozen(), found.path.residual, rtol=0.02)
    assert np.allclose(found.way(), 1, atol=0.01)
    scaled = convergence.journey(problem, [1, 2], 400, mean_field=True, until=1e-4)
    lazy = convergence.journey(problem, [1, 2], 400, until=1e-4)
    assert torch.allclose(scaled.kernel, lazy.kernel)
    assert torch.allclose(scaled.rate, lazy.rate)
    assert (scaled.kernel_moved() > 3 * lazy.kernel_moved()).all()


@pytest.mark.parametrize(
    ("met", "width"),
    [("1111", 1), ("0111", 2), ("1011", 3), ("0001", 4), ("1110", None)],
)
def test_the_width_from_which_on(met, width):
    assert lasting([1, 2, 3, 4], torch.tensor([c == "1" for c in met])) == width


def test_a_ladder_has_two_rungs_to_a_doubling():
    ladder = Needed((0,), "sphere", 64).ladder()
    assert ladder[:5] == [2, 3, 4, 6, 8]


def test_one_neuron_is_too_few_and_many_keep_the_promise():
    spec = Needed((0, 1), "sphere", 12, softness=0.25)
    problem = spec.problem()
    fits, keeps = spec.trial(problem, 1)
    assert not fits.any()
    assert not keeps.any()
    fits, keeps = spec.trial(problem, 300)
    assert fits.all()
    assert keeps.all()


def test_a_frozen_kernel_is_what_a_wide_network_follows():
    frozen = Altered((0, 1), "sphere", 6, softness=0.25, frozen=True)
    moving = Altered((0, 1), "sphere", 6, softness=0.25)
    problem, rate = frozen.problem(), torch.tensor([0.5, 0.7], dtype=torch.float64)

    def tenth(spec, width):
        way = spec.residuals(problem, width, rate)
        return next(itertools.islice(way, 10, None))

    kernel = wide.kernel_at(problem.X, frozen.start(problem, 5), frozen.kind())
    steps = torch.eye(6) - rate[:, None, None] * kernel
    left = torch.linalg.matrix_power(steps, 10) @ -problem.y[..., None]
    assert torch.allclose(tenth(frozen, 5), left[..., 0])
    assert torch.allclose(tenth(moving, 10**5), tenth(frozen, 10**5), atol=1e-3)
    assert not torch.allclose(tenth(moving, 5), tenth(frozen, 5), atol=1e-3)


def test_larger_labels_are_farther_from_the_frozen_kernel():
    usual = Needed((0, 1), "sphere", 6)
    problem, rate = usual.problem(), torch.ones(2, dtype=torch.float64) / 2
    times = 3.0
    larger = Altered((0, 1), "sphere", 6, times=times).residuals(problem, 8, rate)
    labels = problem._replace(y=times * problem.y)
    for a, b in itertools.islice(
        zip(larger, usual.residuals(labels, 8, rate), strict=False), 20
    ):
        assert torch.allclose(times * a, b)


def test_other_seeds_are_others():
    first = {seed for spec in convergence.sphere() for seed in spec.seeds}
    others = {seed for spec in convergence.others() for seed in spec.seeds}
    assert not first & others
    assert len(others) == 2 * len(first)


def test_digits_have_sixteen_pixels_and_random_labels():
    problem = Needed((0, 1), "digits", 8).problem()
    assert problem.X.shape == (2, 8, 16)
    assert torch.equal(problem.y, on_sphere((0, 1), 8, 1).y)
    parity = convergence.digits_by_parity((0, 1), 8)
    assert parity.X.shape == (2, 8, 64)
    assert set(parity.y.flatten().tolist()) <= {1.0, -1.0}
