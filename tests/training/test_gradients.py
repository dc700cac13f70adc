"""What a step descends, against the same written out for one network at a time."""

import pytest
import torch
from torch import nn

from helpers import networks
from helpers.training import gradients
from helpers.training.ensemble import BatchedMLP, ensemble
from helpers.training.recipe import Recipe

SQUARE = Recipe(0.1, 1, 4, loss="square")
DRAW = torch.Generator().manual_seed(0)
INPUTS = torch.randn(3, 4, 5, generator=DRAW)
TARGETS = torch.randn(3, 4, generator=DRAW).sign()


def perceptrons():
    how = {"inputs": (5,), "outputs": 1, "width": 6}
    return [networks.build("mlp", seed=seed, **how) for seed in range(3)]


def gradient_of(networks_of, gradient, inputs=INPUTS):
    """Of each member, as one vector."""
    group = ensemble(networks_of, torch.device("cpu"))
    gradient(group, inputs, TARGETS, SQUARE)
    if isinstance(group, BatchedMLP):
        names = [name for name, _ in networks_of[0].named_parameters()]
        parts = [group.stacked[name.replace(".", "_")].grad for name in names]
        return torch.cat([part.flatten(1) for part in parts], 1), group
    rows = [
        torch.cat([w.grad.flatten() for w in net.parameters()]) for net in group.members
    ]
    return torch.stack(rows), group


def by_hand(loss):
    """The gradient of loss(network, inputs, targets) of each, by plain autograd."""
    rows = []
    for net, x, y in zip(perceptrons(), INPUTS, TARGETS, strict=True):
        loss(net, x, y).backward()
        names = dict(net.named_parameters())
        rows.append(torch.cat([w.grad.flatten() for w in names.values()]))
    return torch.stack(rows)


def half_square(net, x, y):
    return (net(x) - y).square().mean() / 2


def test_the_gradient_of_the_loss_is_the_plain_one():
    found, _ = gradient_of(perceptrons(), gradients.loss_gradient)
    torch.testing.assert_close(found, by_hand(half_square))


def test_sharpness_aware_looks_from_uphill_and_comes_back():
    def uphill(net, x, y):
        half_square(net, x, y).backward()
        slopes = [w.grad.clone() for w in net.parameters()]
        length = torch.cat([s.flatten() for s in slopes]).norm()
        with torch.no_grad():
            for w, s in zip(net.parameters(), slopes, strict=True):
                w += 0.3 * s / length
        net.zero_grad()
        return half_square(net, x, y)

    found, group = gradient_of(perceptrons(), gradients.sharpness_aware(0.3))
    torch.testing.assert_close(found, by_hand(uphill))
    for member, net in enumerate(perceptrons()):
        torch.testing.assert_close(group.state(member), net.state_dict())


@pytest.mark.parametrize("side_by_side", [False, True])
def test_turned_noise_adds_a_kick_of_the_same_length(side_by_side, monkeypatch):
    """Its length is fixed by the outputs' noise, which is made to be one here."""
    nets, inputs = perceptrons(), INPUTS
    if side_by_side:
        nets, inputs = [nn.Sequential(net) for net in nets], list(INPUTS)
    monkeypatch.setattr(torch, "randn_like", first_ones())
    found, _ = gradient_of(nets, gradients.turned_noise(0.7), inputs)
    kick = found - by_hand(half_square)
    expected = by_hand(lambda net, x, y: 0.7 * net(x).mean()).norm(dim=1)
    torch.testing.assert_close(kick.norm(dim=1), expected)


def first_ones():
    """In place of randn_like: ones for the labels, then normal for the weights."""
    draw, calls = torch.Generator().manual_seed(1), []

    def drawn(like):
        calls.append(like)
        if len(calls) == 1:
            return torch.ones_like(like)
        return torch.randn(like.shape, generator=draw)

    return drawn


def test_penalised_adds_the_trace_on_average():
    """Against the trace of JᵀJ/n with its gradient, both by autograd."""

    def exact(net, x, y):
        weights = list(net.parameters())
        total = 0
        for one in x:
            slopes = torch.autograd.grad(net(one[None])[0], weights, create_graph=True)
            total = total + sum(s.square().sum() for s in slopes)
        return half_square(net, x, y) + 0.2 * total / len(x)

    torch.manual_seed(0)
    draws = [
        gradient_of(perceptrons(), gradients.penalised(0.2))[0] for _ in range(600)
    ]
    mean, error = torch.stack(draws).mean(0), torch.stack(draws).std(0) / 600**0.5
    assert ((mean - by_hand(exact)).abs() <= 5 * error + 1e-6).all()


@pytest.mark.parametrize(("share", "sign"), [(0.0, 1), (1.0, -1)])
def test_flipped_labels_are_told_wrongly(share, sign):
    def logistic(net, x, y):
        return (1 + (-sign * y * net(x)).exp()).log().mean()

    found, _ = gradient_of(perceptrons(), gradients.flipped(share))
    torch.testing.assert_close(found, by_hand(logistic))


def test_a_share_of_the_labels_is_flipped(monkeypatch):
    coins = torch.linspace(0, 1, 12).view(3, 4)
    monkeypatch.setattr(torch, "rand_like", lambda _: coins)
    found, _ = gradient_of(perceptrons(), gradients.flipped(0.5))
    labels = torch.where(coins < 0.5, -TARGETS, TARGETS)
    rows = []
    for net, x, y in zip(perceptrons(), INPUTS, labels, strict=True):
        (1 + (-y * net(x)).exp()).log().mean().backward()
        rows.append(torch.cat([w.grad.flatten() for w in net.parameters()]))
    torch.testing.assert_close(found, torch.stack(rows))
