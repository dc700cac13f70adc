"""Descent and kernels against autograd, the activation against an average."""

import pytest
import torch

from helpers.dynamics import wide
from helpers.problems.wide import hidden_weights, of_rows, on_sphere

SEEDS = range(3)
PROBLEM = on_sphere(SEEDS, 6, 4)
START = hidden_weights(SEEDS, 5, 4)
KINDS = [
    wide.Kind(softness, trained, stretch)
    for softness, stretch in ((0.0, 1.0), (0.25, 1.0), (0.25, 3.0))
    for trained in ("first", "last", "all")
]
RATE = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)


def outputs(into, out, kind, X):
    h = X @ into.mT
    if kind.softness == 0:
        g = torch.relu(h)
    else:
        z = h / kind.softness
        normal = torch.distributions.Normal(0.0, 1.0)
        bump = torch.exp(normal.log_prob(z))
        g = h * normal.cdf(z) + kind.softness * bump
    return (g * out[..., None, :]).sum(-1) / out.shape[-1] ** 0.5 / kind.stretch


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_step_by_autograd(kind):
    X, y = PROBLEM
    into, out = (w.clone().requires_grad_() for w in START)
    at_start = outputs(*START, kind, X)
    residual = outputs(into, out, kind, X) - at_start - y
    residual.square().sum().div(2).backward()
    pace = RATE * kind.stretch**2
    wanted = [
        w.detach() - pace.view(-1, *[1] * (w.dim() - 1)) * w.grad * trains
        for w, trains in (
            (into, kind.trained != "last"),
            (out, kind.trained != "first"),
        )
    ]
    walk = wide.descent(PROBLEM, START, kind, RATE)
    assert torch.equal(next(walk).residual, -y)
    second = next(walk)
    for found, w in zip(second.weights, wanted, strict=True):
        assert torch.allclose(found, w, atol=1e-13)
    again = outputs(*wanted, kind, X) - at_start - y
    assert torch.allclose(second.residual, again, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_kernel_by_autograd(kind):
    found = wide.kernel_at(PROBLEM.X, START, kind)
    for seed in SEEDS:
        X, weights = PROBLEM.X[seed], tuple(w[seed] for w in START)
        into, out = torch.func.jacrev(
            lambda into, out, X=X: outputs(into, out, kind, X), (0, 1)
        )(*weights)
        parts = {"first": [into], "last": [out], "all": [into, out]}
        J = torch.cat([part.flatten(1) for part in parts[kind.trained]], 1)
        wanted = J @ J.T * kind.stretch**2
        assert torch.allclose(found[seed], wanted, atol=1e-13)


def test_a_soft_kink_is_an_average_of_relus():
    h = torch.linspace(-2, 2, 9, dtype=torch.float64)
    noise = torch.linspace(-8, 8, 40_001, dtype=torch.float64)
    weight = torch.exp(-(noise**2) / 2)
    weight /= weight.sum()
    value, slope = wide.activation(h, 0.25)
    shifted = h[:, None] + 0.25 * noise
    assert torch.allclose(value, shifted.clamp_min(0) @ weight, atol=1e-6)
    assert torch.allclose(slope, (shifted > 0).double() @ weight, atol=1e-3)


def test_what_is_measured_on_the_way():
    kind = wide.Kind(0.25)
    path = wide.measured(PROBLEM, START, kind, RATE, until=0, longest=20, every=5)
    states = wide.descent(PROBLEM, START, kind, RATE)
    weights = [next(states).weights for _ in range(21)]
    strides = [wide.apart(*pair) for pair in zip(weights[1:], weights, strict=False)]
    first, last = (wide.kernel_at(PROBLEM.X, w, kind) for w in (START, weights[-1]))
    assert path.steps.tolist() == [0, 5, 10, 15, 20]
    assert torch.allclose(path.length[-1], sum(strides))
    assert torch.allclose(path.distance[-1], wide.apart(weights[-1], START))
    assert torch.allclose(path.least[-1], torch.linalg.eigvalsh(last)[:, 0])
    moved = torch.linalg.matrix_norm(last - first) / torch.linalg.matrix_norm(first)
    assert torch.allclose(path.change[-1], moved)
    r = path.residual
    assert torch.allclose(r[0], torch.full((3,), 6.0, dtype=torch.float64).sqrt())


def test_the_gradient_is_as_steep_as_the_ratio_says():
    kind = wide.Kind(0.25, "all")
    path = wide.measured(PROBLEM, START, kind, RATE, until=0, longest=0)
    into, out = (w.clone().requires_grad_() for w in START)
    X, y = PROBLEM
    at_start = outputs(*START, kind, X)
    loss = (outputs(into, out, kind, X) - at_start - y).square().sum(1) / 2
    loss.sum().backward()
    steep = into.grad.flatten(1).square().sum(1) + out.grad.square().sum(1)
    assert torch.allclose(path.ratio[0], steep / 2 / loss.detach())


def test_rows_are_centred_and_of_length_one():
    rows = torch.arange(40.0).view(8, 5) ** 2
    labels = torch.tensor([1, -1] * 4)
    X, y = of_rows(SEEDS, rows, labels, 4)
    assert X.shape == (3, 4, 5)
    assert torch.allclose(X.norm(dim=-1), torch.ones(3, 4, dtype=torch.float64))
    assert set(y.flatten().tolist()) == {1.0, -1.0}
