"""Slopes by autograd, steps by torch.optim, operations by PyTorch's own counter."""

import copy

import pytest
import torch
from torch.nn.functional import softplus
from torch.utils.flop_counter import FlopCounterMode

from helpers.curvature.gram import gram
from helpers.dials import BookError
from helpers.dynamics import relu_network as sgd

WIDTHS = [5, 7, 6, 1]
LOSSES = {
    "square": lambda values, y: (values - y).square().mean() / 2,
    "logistic": lambda values, y: softplus(-values * y).mean(),
}


def examples(runs=3, count=8):
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(runs, count, 5, generator=draw, dtype=torch.float64)
    return X, X[..., 0].sign()


def networks(runs=3, widths=WIDTHS, how="uniform"):
    return sgd.stacked([sgd.start(seed, widths, how) for seed in range(runs)])


@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_by_autograd(loss):
    (X, y), ours = examples(), networks()
    found = sgd.gradient(ours, X, y, loss)
    for run in range(3):
        theirs = sgd.module(ours, run)
        LOSSES[loss](theirs(X[run])[:, 0], y[run]).backward()
        layers = [layer for layer in theirs if hasattr(layer, "weight")]
        for (W, b), layer in zip(found, layers, strict=True):
            assert torch.allclose(W[run], layer.weight.grad.T)
            assert torch.allclose(b[run, 0], layer.bias.grad)


def test_the_kernel_is_that_of_the_instruments():
    (X, y), ours = examples(), networks()
    found = sgd.kernel(ours, X)
    for run in range(3):
        theirs = gram(sgd.module(ours, run), X[run], y[run, :, None])
        assert torch.allclose(found[run], theirs.kernel)


def test_the_module_says_the_same():
    (X, _), ours = examples(), networks()
    for run in range(3):
        assert torch.allclose(
            sgd.module(ours, run)(X[run])[:, 0], sgd.outputs(ours, X)[run]
        )


def test_descent_by_torch_optim():
    (X, y), ours = examples(1), networks(1)
    theirs = sgd.module(ours)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    order = sgd.batches(4, 8, 2)
    for _ in range(10):
        chosen = next(order)
        optimizer.zero_grad()
        LOSSES["logistic"](theirs(X[0, chosen])[:, 0], y[0, chosen]).backward()
        optimizer.step()
    rate = torch.tensor(0.1, dtype=torch.float64)
    sgd.descend(ours, X, y, [(rate, rate)] * 3, [sgd.batches(4, 8, 2)], 10, "logistic")
    assert torch.allclose(sgd.outputs(ours, X)[0], theirs(X[0])[:, 0])


def test_runs_of_one_order_see_the_same_batches():
    X, y = examples(1)
    ours = sgd.copies(networks(1), 2)
    rate = torch.tensor([0.1, 0.1], dtype=torch.float64)[:, None, None]
    X, y = X.repeat(2, 1, 1), y.repeat(2, 1)
    sgd.descend(ours, X, y, [(rate, rate)] * 3, [sgd.batches(4, 8, 2)], 5, "square")
    assert torch.equal(*sgd.outputs(ours, X))


def test_a_pass_meets_every_example_once():
    order = sgd.batches(0, 10, 5)
    both = torch.cat([next(order), next(order)])
    assert sorted(both.tolist()) == list(range(10))
    assert not torch.equal(both, torch.cat([next(order), next(order)]))


def test_the_ntk_factors_are_those_of_a_network_that_divides_by_the_root():
    """Its weights have variance one; √(gain / fan-in) stands in the forward pass."""
    (X, y), gains = examples(1), [2 / 5, 2 / 7, 1 / 6]
    ours = networks(1, how="ntk")
    raw = [
        [(W[0] / gain**0.5).clone().requires_grad_(), b[0].clone().requires_grad_()]
        for (W, b), gain in zip(ours, gains, strict=True)
    ]
    rate = torch.tensor(0.3, dtype=torch.float64)
    rates = [(rate * w, rate * b) for w, b in sgd.rate_factors(WIDTHS, "ntk")]
    for _ in range(5):
        values = X[0]
        for k, (W, b) in enumerate(raw):
            values = values @ W * gains[k] ** 0.5 + b
            values = values.relu() if k < 2 else values
        slopes = torch.autograd.grad(
            LOSSES["square"](values[:, 0], y[0]), [p for pair in raw for p in pair]
        )
        with torch.no_grad():
            for p, slope in zip([p for pair in raw for p in pair], slopes, strict=True):
                p -= rate * slope
        sgd.step(ours, sgd.gradient(ours, X, y, "square"), rates)
    for (W, b), (raw_W, raw_b), gain in zip(ours, raw, gains, strict=True):
        assert torch.allclose(W[0], raw_W * gain**0.5)
        assert torch.allclose(b[0], raw_b)


def test_first_features_move_as_much_at_any_width():
    """With `mup`, in one step, where plain rates move them less and less."""
    draw = torch.Generator().manual_seed(1)
    X = torch.randn(1, 50, 5, generator=draw, dtype=torch.float64)
    y = X[..., 0].sign()

    def moved(width, how):
        widths = [5, width, width, 1]
        moves = []
        for seed in range(20):
            ours = sgd.start(seed, widths, how)
            before = ours[0][0].clone()
            rates = [
                (torch.tensor(0.1 * w), torch.tensor(0.1 * b))
                for w, b in sgd.rate_factors(widths, how)
            ]
            sgd.step(ours, sgd.gradient(ours, X, y, "square"), rates)
            moves.append((ours[0][0] - before).square().mean().sqrt())
        return float(torch.stack(moves).mean())

    assert 0.7 < moved(512, "mup") / moved(64, "mup") < 1.4
    assert moved(512, "he") / moved(64, "he") < 0.5


def test_starts_have_their_sizes():
    widths = [50, 400, 400, 1]
    for how, last in (("he", 1 / 400), ("mup", 1 / 400**2)):
        sizes = [float(W.var()) for W, _ in sgd.start(0, widths, how)]
        assert sizes == pytest.approx([2 / 50, 2 / 400, last], rel=0.3)
    for (W, b), into in zip(sgd.start(0, widths, "uniform"), widths, strict=False):
        assert max(float(W.abs().max()), float(b.abs().max())) <= into**-0.5


def test_operations_by_pytorchs_counter():
    """Products of matrices; a step changes each weight once a batch."""
    batch, widths = 16, [20, 30, 40, 1]
    X = torch.randn(batch, 20, dtype=torch.float64)
    network = sgd.module(sgd.start(0, widths, "he"))
    with FlopCounterMode(display=False) as counter:
        network(X).sum().backward()
    sizes = 20 * 30 + 30 * 40 + 40
    assert sgd.operations(widths, batch) == pytest.approx(
        counter.get_total_flops() / batch + 2 * sizes / batch
    )


def test_shifted_and_shuffled():
    ours = networks(2)
    moved = sgd.shifted(ours, 0, 1e-3)
    share = sgd.distance(ours, moved) / sgd.length(ours)
    assert torch.allclose(share, torch.full_like(share, 1e-3))
    flat = torch.cat([part[0].flatten() for layer in ours for part in layer])
    assert float(sgd.length(ours)[0]) == pytest.approx(float(flat.norm()))
    mixed = sgd.shuffled(ours, 0)
    for layers in zip(ours, mixed, strict=True):
        for one, other in zip(*layers, strict=True):
            rows = one.flatten(1).sort().values, other.flatten(1).sort().values
            assert torch.equal(*rows)
    assert not torch.equal(ours[0][0], mixed[0][0])


def test_of_arrays():
    ours = networks(1)
    again = sgd.of_arrays([(W[0].numpy(), b[0, 0].numpy()) for W, b in ours])
    X = examples(1)[0]
    assert torch.equal(sgd.outputs(ours, X), sgd.outputs(again, X))
    sgd.step(again, copy.deepcopy(again), [(torch.tensor(1.0),) * 2] * 3)
    assert float(sgd.length(again)[0]) == 0


def test_unknown_words_are_refused():
    with pytest.raises(BookError, match="no parametrisation"):
        sgd.start(0, WIDTHS, "xavier")
    with pytest.raises(BookError, match="no loss"):
        sgd.gradient(networks(1), *examples(1), "hinge")
