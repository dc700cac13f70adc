import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.curvature.gram import gram
from helpers.curvature.kernel import jacobian_gram
from helpers.curvature.sketch import sketch, sketch_trace

SEEDS = 300


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def interval(samples: torch.Tensor) -> float:
    """Four standard errors: all the intervals of this file hold at once, 1 in 1000."""
    return (4 * samples.std() / math.sqrt(len(samples))).item()


@pytest.mark.parametrize("loss", ["square", "cross-entropy"])
@pytest.mark.parametrize("directions", [1, 2, 3])
def test_unbiased_with_an_honest_error(directions, loss, problem):
    case = problem(loss=loss, n=12)
    exact = gram(*case)
    runs = [
        sketch(*case, directions=directions, generator=seeded(seed))
        for seed in range(SEEDS)
    ]
    traces = torch.tensor([run.trace for run in runs], dtype=torch.float64)
    squares = torch.tensor([run.frobenius**2 for run in runs], dtype=torch.float64)
    assert abs(traces.mean() - exact.trace) < interval(traces)
    assert abs(squares.mean() - exact.frobenius**2) < interval(squares)
    claimed = torch.tensor([run.trace_error**2 for run in runs]).mean().sqrt()
    assert 0.8 < claimed / traces.std() < 1.25
    norms = torch.tensor([run.frobenius for run in runs])
    claimed = torch.tensor([run.frobenius_error**2 for run in runs]).mean().sqrt()
    assert 0.8 < claimed / norms.std() < 2  # it may err upward, never far downward


def naive_square(case, seed: int) -> float:
    """|k|^2 / n^2 of one direction with the pairs of equal seeds left in."""
    n, classes = len(case.inputs), case.classes
    signs = torch.randint(2, (n, 1, classes), generator=seeded(seed)) * 2.0 - 1
    kernel, _ = jacobian_gram(
        case.model,
        case.inputs,
        lambda outputs, part: signs[part].to(outputs),
        dtype=None,
        memory=1,
        chunk=32,
    )
    return kernel.square().sum().item() / n**2


def test_control_equal_seeds_make_it_biased(problem):
    case = problem(n=12)
    samples = torch.tensor([naive_square(case, seed) for seed in range(SEEDS)])
    assert samples.mean() - gram(*case).frobenius ** 2 > interval(samples)


def test_control_sketched_eigenvalues_are_biased_upward(problem):
    case = problem(n=12)
    n = len(case.inputs)
    tops = []
    for seed in range(50):
        signs = torch.randint(2, (n, 1, 3), generator=seeded(seed)) * 2.0 - 1
        kernel, _ = jacobian_gram(
            case.model,
            case.inputs,
            lambda outputs, part, signs=signs: signs[part].to(outputs),
            dtype=None,
            memory=1,
            chunk=32,
        )
        tops.append(torch.linalg.eigvalsh(kernel)[-1] / n)
    tops = torch.stack(tops)
    assert tops.mean() - gram(*case).eigenvalues()[0] > interval(tops)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("name", ["Shared", "cnn", "group_norm"])
@pytest.mark.parametrize("classes", [1, 3])
def test_trace_alone(directions, name, classes, problem, networks):
    case = problem(networks[name], classes)
    runs = [
        sketch_trace(*case, directions=directions, generator=seeded(seed))
        for seed in range(40)
    ]
    traces = torch.tensor([trace for trace, _ in runs], dtype=torch.float64)
    exact = gram(*case).trace
    assert abs(traces.mean() - exact) <= interval(traces) + 1e-10 * exact
    if case.classes > 1:
        assert abs(traces.mean() - 1.5 * exact) > interval(traces)
        assert all(error > 0 for _, error in runs)


def test_one_output_leaves_nothing_to_chance_but_the_pilots(problem):
    case = problem(classes=1, n=12)
    exact = gram(*case)
    for seed in range(5):
        found = sketch(*case, directions=2, generator=seeded(seed))
        assert found.trace == pytest.approx(exact.trace, rel=1e-12)
        assert found.frobenius == pytest.approx(exact.frobenius, rel=1e-12)
        assert found.trace_error < 1e-6 * found.trace


def test_the_choice_of_pilots_is_part_of_the_error(problem):
    """With one output and one direction it is all of it."""
    case = problem(classes=1, n=40)
    exact = gram(*case).frobenius
    runs = [sketch(*case, generator=seeded(seed)) for seed in range(SEEDS)]
    errors = torch.tensor([run.frobenius for run in runs], dtype=torch.float64) - exact
    claimed = torch.tensor([run.frobenius_error**2 for run in runs]).mean().sqrt()
    assert 0.8 < claimed / errors.square().mean().sqrt() < 1.25
    assert all(run.trace == pytest.approx(runs[0].trace) for run in runs)


def test_the_same_seed_gives_the_same_sketch(problem):
    case = problem()
    first, second, other = (sketch(*case, generator=seeded(s)) for s in (1, 1, 2))
    assert first == second
    assert first.trace != other.trace


def test_no_direction_is_refused(problem):
    with pytest.raises(ValueError, match="at least one"):
        sketch(*problem(), directions=0)


def test_the_trace_never_forms_a_gram_matrix():
    """Forward, deltas and rows of each example: nothing that grows as n squared."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(256, 4)
    )
    counts = []
    for n in (64, 128):
        inputs, targets = torch.randn(n, 2, 8, 8), torch.randn(n, 4)
        with FlopCounterMode(display=False) as counter:
            sketch_trace(model, inputs, targets, directions=2)
        counts.append(counter.get_total_flops())
        with FlopCounterMode(display=False) as counter:
            sketch(model, inputs, targets, directions=2, dtype=torch.bfloat16)
        counts.append(counter.get_total_flops())
    assert counts[2] / counts[0] < 2
    assert counts[3] / counts[1] > 2.5
