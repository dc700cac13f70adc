"""Adam on units that share a direction, against autograd and PyTorch's own loop."""

import torch

from helpers.dynamics import shared_direction


def drawn(count=2, examples=30, features=5):
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(count, examples, features, generator=draw)
    return X, torch.randn(count, examples, generator=draw)


def by_autograd(X, y, a, b, w):
    places = torch.einsum("knd,kd->kn", X, a)
    hidden = torch.relu(places[:, :, None] - b[:, None])
    error = torch.einsum("knm,km->kn", hidden, w) - y
    return error, error.square().mean(1).sum() / 2


def test_gradients_are_those_of_autograd():
    X, y = drawn()
    weights = shared_direction._start(5, 30, [0, 1])
    error, found = shared_direction._look(X, y, *weights)
    weights = [part.requires_grad_() for part in weights]
    expected, loss = by_autograd(X, y, *weights)
    assert torch.allclose(error, expected, atol=1e-5)
    for one, other in zip(found, torch.autograd.grad(loss, weights), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_it_takes_the_steps_of_adam():
    X, y = drawn()
    found = shared_direction.descend(X, y, 30, 0.01, 20, [0, 1])
    weights = [p.requires_grad_() for p in shared_direction._start(5, 30, [0, 1])]
    adam = torch.optim.Adam(weights, lr=0.01)
    for _ in range(20):
        adam.zero_grad()
        by_autograd(X, y, *weights)[1].backward()
        adam.step()
    expected = by_autograd(X, y, *weights)[0].detach().abs().amax(1)
    assert torch.allclose(found, expected, atol=1e-3)


def test_a_network_is_that_of_its_seed():
    X, y = drawn()
    both = shared_direction.descend(X, y, 10, 0.01, 5, [3, 4])
    alone = shared_direction.descend(X[1:], y[1:], 10, 0.01, 5, [4])
    assert torch.allclose(both[1:], alone, atol=1e-5)
