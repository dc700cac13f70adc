import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import nn

from helpers.curvature.gram import gram
from helpers.curvature.noise import (
    alignment,
    batch_sharpness,
    chance_alignment,
    stability_threshold,
)


def linear_problem(problem, n=12, features=5, classes=1, seed=0):
    """Least squares: the Hessian is X^T X / n on each output, whatever the weights."""
    torch.manual_seed(seed)
    model = nn.Linear(features, classes, bias=False).double()
    inputs = torch.randn(n, features, dtype=torch.float64)
    targets = torch.randn(n, classes, dtype=torch.float64)
    return problem()._replace(model=model, inputs=inputs, targets=targets)


def test_alignment_is_its_definition(any_case, problem):
    case = problem(*any_case)
    gradients, curvature = case.gradients(), case.gauss_newton()
    mean = gradients.mean(0)
    covariance = gradients.T @ gradients / len(gradients) - torch.outer(mean, mean)
    value = case.loss(case.model(case.inputs), case.targets)
    expected = (covariance @ curvature).trace() / (2 * value * curvature.norm() ** 2)
    found = alignment(gram(*case))
    assert found.mu == pytest.approx(expected.item(), rel=1e-10)
    assert found.scaled == case.classes * found.mu
    raw = gradients.T @ gradients / len(gradients)  # the control: mean not removed
    raw = (raw @ curvature).trace() / (2 * value * curvature.norm() ** 2)
    assert abs(raw / expected - 1) > 1e-6


def test_isotropic_residuals_align_to_one_over_the_number_of_outputs(problem):
    """Residuals +-r e_c that sum over sign and c: Sigma = (2 L / C) G exactly."""
    torch.manual_seed(0)
    classes, model = 3, nn.Linear(4, 3, bias=False).double()
    one_by_one = torch.eye(classes).double()
    residuals = torch.cat([one_by_one, -one_by_one]).repeat(5, 1)
    inputs = torch.randn(5, 4).double().repeat_interleave(2 * classes, 0)
    targets = model(inputs).detach() - residuals
    found = alignment(gram(model, inputs, targets))
    assert found.scaled == pytest.approx(1, rel=1e-10)
    assert found.mu == pytest.approx(1 / 3, rel=1e-10)


def test_residuals_drawn_by_chance_align_to_one_over_the_number_of_outputs():
    torch.manual_seed(0)
    model = nn.Linear(6, 4, bias=False).double()
    found = gram(model, torch.randn(80, 6).double(), torch.randn(80, 4).double())
    assert chance_alignment(found, seed=0) == pytest.approx(1, abs=0.1)
    assert chance_alignment(found, seed=0) != chance_alignment(found, seed=1)


def test_one_repeated_example_has_no_noise(problem):
    case = linear_problem(problem)
    inputs, targets = case.inputs[:1].repeat(6, 1), case.targets[:1].repeat(6, 1)
    assert abs(alignment(gram(case.model, inputs, targets)).mu) < 1e-12


def test_alignment_at_zero_loss_is_refused(problem):
    with pytest.raises(ValueError, match="exactly zero"):
        alignment(gram(*problem().fitted()))


def growth(each: np.ndarray, batch: int, replacement: bool):
    """eta -> spectral radius of the second moment of linearised SGD, minus one.

    each (n, r, r): the Hessians of the examples, in a basis of the range of H.
    """
    n, r, _ = each.shape
    p = 1 / batch if replacement else (n - batch) / (batch * (n - 1))
    mean, identity = each.mean(0), np.eye(r)
    single = sum(np.kron(h, h) for h in each) / n

    def radius(eta: float) -> float:
        step = identity - eta * mean
        operator = np.kron(step, step)
        operator += eta**2 * p * (single - np.kron(mean, mean))
        return np.abs(np.linalg.eigvalsh(operator)).max() - 1

    return radius


def reduced_hessians(case) -> np.ndarray:
    jacobian = case.jacobian().numpy()
    flat = jacobian.reshape(-1, jacobian.shape[2])
    _, values, basis = np.linalg.svd(flat, full_matrices=False)
    rows = jacobian @ basis[values > 1e-10 * values[0]].T
    return np.einsum("ncp,ncq->npq", rows, rows)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 5, 12])
@pytest.mark.parametrize(
    ("features", "classes"), [(5, 1), (20, 1), (4, 3)], ids=["n>d", "n<d", "C=3"]
)
def test_threshold_is_where_the_second_moment_stops_shrinking(
    features, classes, batch, replacement, problem
):
    case = linear_problem(problem, features=features, classes=classes)
    found = stability_threshold(gram(*case), batch, replacement=replacement)
    radius = growth(reduced_hessians(case), batch, replacement)
    bisected = brentq(radius, 0.3 * found, 3 * found, xtol=1e-14, rtol=1e-13)
    assert found == pytest.approx(bisected, rel=1e-10)
    assert radius(0.99 * found) < 0 < radius(1.01 * found)


def test_threshold_of_a_network(problem):
    case = problem(classes=3, n=6)
    found = stability_threshold(gram(*case), 2)
    radius = growth(reduced_hessians(case), 2, replacement=False)
    bisected = brentq(radius, 0.3 * found, 3 * found, xtol=1e-14, rtol=1e-13)
    assert found == pytest.approx(bisected, rel=1e-10)


def test_threshold_lies_below_its_necessary_conditions_and_reaches_one(problem):
    case = linear_problem(problem)
    exact = gram(*case)
    n, top = len(case.inputs), exact.eigenvalues()[0].item()
    thresholds = []
    for batch in range(1, n + 1):
        p = (n - batch) / (batch * (n - 1))
        threshold = stability_threshold(exact, batch)
        thresholds.append(threshold)
        assert threshold <= 2 / top * (1 + 1e-10)
        if p:
            assert threshold < 2 / (exact.trace * p)
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < 0.7 * thresholds[-1]
    assert thresholds[-1] == pytest.approx(2 / top, rel=1e-10)


def test_orthogonal_examples_have_a_closed_form(problem):
    """With H_i on axes of their own the moment splits: eta* = 2 / ((1-p) + p n) l."""
    n = 6
    scale = torch.arange(1, n + 1, dtype=torch.float64)
    case = linear_problem(problem, n=n, features=n)
    case = case._replace(inputs=torch.diag(scale.sqrt()))
    for batch in (1, 2, 6):
        p = (n - batch) / (batch * (n - 1))
        top = n / n  # largest eigenvalue of H = diag(scale) / n
        expected = 2 / ((1 - p + p * n) * top)
        found = stability_threshold(gram(*case), batch)
        assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("batch", [0, 13])
def test_impossible_batches_are_refused(batch, problem):
    case = linear_problem(problem)
    with pytest.raises(ValueError, match="use 1 to 12"):
        stability_threshold(gram(*case), batch)
    with pytest.raises(ValueError, match="use 1 to 12"):
        batch_sharpness(*case, batch=batch)


def test_batch_sharpness_of_the_whole_set(any_case, problem):
    case = problem(*any_case)
    gradient, curvature = case.gradients().mean(0), case.hessian()
    expected = gradient @ curvature @ gradient / (gradient @ gradient)
    found = batch_sharpness(*case, batch=len(case.inputs))
    assert found.value == pytest.approx(expected.item(), rel=1e-9)
    assert found.error == 0


def test_batch_sharpness_averages_over_batches(problem):
    """Single examples: the exact mean over all of them is inside the interval."""
    case = problem(n=5)
    curvatures, squares = [], []
    for i, gradient in enumerate(case.gradients()):
        one = case._replace(
            inputs=case.inputs[i : i + 1], targets=case.targets[i : i + 1]
        )
        curvatures.append(gradient @ one.hessian() @ gradient)
        squares.append(gradient @ gradient)
    expected = (sum(curvatures) / sum(squares)).item()
    generator = torch.Generator().manual_seed(0)
    found = batch_sharpness(*case, batch=1, batches=600, generator=generator)
    assert abs(found.value - expected) < 4 * found.error < 0.3 * expected
    whole = batch_sharpness(*case, batch=5).value
    assert abs(found.value - whole) > 4 * found.error
    assert math.isnan(batch_sharpness(*case, batch=1, batches=1).error)
