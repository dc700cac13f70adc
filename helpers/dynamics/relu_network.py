"""SGD on fully connected ReLU networks of any depth, many at once, in double precision.

A network is a list of layers (W, b): W has shape (runs, into, out of), b (runs, 1, out
of). The last layer has one output and no ReLU. Examples are X (runs, examples,
features) and y (runs, examples).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.dials import BookError

Network = list[tuple[Tensor, Tensor]]
PARAMETRISATIONS = "he", "uniform", "ntk", "mup"


def widths_of(features: int, hidden: Sequence[int]) -> list[int]:
    return [features, *hidden, 1]


def start(seed: int, widths: Sequence[int], parametrisation: str) -> Network:
    """Random weights of one network; see `rate_factors` for what they go with."""
    if parametrisation not in PARAMETRISATIONS:
        raise BookError(
            f"no parametrisation {parametrisation!r}: "
            f"choose {', '.join(PARAMETRISATIONS)}"
        )
    draw = torch.Generator().manual_seed(seed)
    found = []
    for number, (into, out) in enumerate(pairwise(widths)):
        shape = {"dtype": torch.float64, "generator": draw}
        if parametrisation == "uniform":  # what PyTorch's layers begin with
            W, b = (2 * torch.rand(rows, out, **shape) - 1 for rows in (into, 1))
            found.append((W[None] / into**0.5, b[None] / into**0.5))
            continue
        last = number == len(widths) - 2
        size = (1 if last else 2) / into
        size = size / into if last and parametrisation == "mup" else size
        W = torch.randn(into, out, **shape) * size**0.5
        found.append((W[None], torch.zeros(1, 1, out, dtype=torch.float64)))
    return found


def rate_factors(
    widths: Sequence[int], parametrisation: str
) -> list[tuple[float, float]]:
    """What the rate is multiplied with, for the weights and the biases of each layer.

    `ntk` gives each weight the standard normal distribution and divides by √(fan-in)
    in the forward pass, which is a rate divided by the fan-in; `mup` is the scaling in
    which hidden features move as much at any width, as if that were 32.
    """
    pairs = list(pairwise(widths))
    if parametrisation == "ntk":
        return [
            ((1 if into == pairs[-1][0] and out == 1 else 2) / into, 1.0)
            for into, out in pairs
        ]
    if parametrisation == "mup":
        first, last = widths[1] / 32, 32 / widths[-2]
        return [
            (first, first),
            *[(1.0, widths[1] / 32)] * (len(pairs) - 2),
            (last, 1.0),
        ]
    return [(1.0, 1.0)] * len(pairs)


def stacked(networks: Sequence[Network]) -> Network:
    layers = zip(*networks, strict=True)
    return [
        tuple(torch.cat(parts) for parts in zip(*layer, strict=True))
        for layer in layers
    ]


def of_arrays(layers: Sequence[tuple[ArrayLike, ArrayLike]]) -> Network:
    """One network, from the weights and biases of its layers."""
    pairs = [[torch.as_tensor(part, dtype=torch.float64) for part in p] for p in layers]
    return [(W[None], b[None, None]) for W, b in pairs]


def copies(network: Network, times: int) -> Network:
    return [tuple(part.repeat(times, 1, 1) for part in layer) for layer in network]


def distance(network: Network, other: Network) -> Tensor:
    """Between the weights and biases of each run."""
    pairs = zip(network, other, strict=True)
    squares = [
        (a - b).square().sum((1, 2)) for p in pairs for a, b in zip(*p, strict=True)
    ]
    return torch.stack(squares).sum(0).sqrt()


def length(network: Network) -> Tensor:
    return distance(network, [(0 * W, 0 * b) for W, b in network])


def shifted(network: Network, seed: int, share: float) -> Network:
    """Moved in a random direction, by a share of its length."""
    draw = torch.Generator().manual_seed(seed)
    shift = [
        tuple(
            torch.randn(part.shape, generator=draw, dtype=part.dtype) for part in layer
        )
        for layer in network
    ]
    size = share * length(network) / length(shift)
    size = size[:, None, None]
    pairs = zip(network, shift, strict=True)
    return [(W + size * to_W, b + size * to_b) for (W, b), (to_W, to_b) in pairs]


def shuffled(network: Network, seed: int) -> Network:
    """The same numbers, elsewhere in the same layer of the same run."""
    draw = torch.Generator().manual_seed(seed)

    def mixed(part: Tensor) -> Tensor:
        rows = part.flatten(1)
        order = torch.rand(rows.shape, generator=draw).argsort(1)
        return rows.gather(1, order).view_as(part)

    return [(mixed(W), mixed(b)) for W, b in network]


def outputs(network: Network, X: Tensor) -> Tensor:
    return _forward(network, X)[-1][..., 0]


def slope(values: Tensor, y: Tensor, loss: str) -> Tensor:
    """Of ½ (f − y)², or of log(1 + exp(−y f)), in f."""
    if loss == "square":
        return values - y
    if loss == "logistic":
        return -y * torch.sigmoid(-y * values)
    raise BookError(f"no loss {loss!r}: choose square or logistic")


def gradient(network: Network, X: Tensor, y: Tensor, loss: str) -> Network:
    """Of the mean loss."""
    *hidden, values = _forward(network, X)
    back = slope(values[..., 0], y, loss)[..., None] / X.shape[1]
    found = []
    for (W, _), inputs in zip(reversed(network), reversed(hidden), strict=True):
        found.append((inputs.mT @ back, back.sum(1, keepdim=True)))
        if inputs is not X:
            back = (back @ W.mT) * (inputs > 0)
    return found[::-1]


def kernel(network: Network, X: Tensor) -> Tensor:
    """The products of the outputs' gradients in all weights, a matrix a run.

    Where the square loss is zero its Hessian has the eigenvalues of this, over their
    number. A layer's share is the product of what enters it times that of what its
    outputs are worth.
    """
    *hidden, values = _forward(network, X)
    worth, found = torch.ones_like(values), 0
    for (W, _), inputs in zip(reversed(network), reversed(hidden), strict=True):
        found = found + (inputs @ inputs.mT + 1) * (worth @ worth.mT)
        worth = (worth @ W.mT) * (inputs > 0)
    return found


def largest_curvature(network: Network, X: Tensor) -> Tensor:
    """Of the square loss in each run, where it is zero."""
    return torch.linalg.eigvalsh(kernel(network, X))[:, -1] / X.shape[1]


def step(
    network: Network, slopes: Network, rates: Sequence[tuple[Tensor, Tensor]]
) -> None:
    """In place; a rate a run for the weights and the biases of each layer."""
    for (W, b), (to_W, to_b), (rate_W, rate_b) in zip(
        network, slopes, rates, strict=True
    ):
        W.sub_(rate_W * to_W)
        b.sub_(rate_b * to_b)


def descend(
    network: Network,
    X: Tensor,
    y: Tensor,
    rates: Sequence[tuple[Tensor, Tensor]],
    orders: Sequence[Iterator[Tensor]],
    steps: int,
    loss: str,
) -> None:
    """SGD in place; of several runs to an order each takes the same batches."""
    for _ in range(steps):
        chosen = torch.stack([next(order) for order in orders])
        chosen = chosen.repeat_interleave(len(X) // len(orders), 0)
        index = chosen[..., None].expand(-1, -1, X.shape[2])
        slopes = gradient(network, X.gather(1, index), y.gather(1, chosen), loss)
        step(network, slopes, rates)


def module(network: Network, run: int = 0) -> nn.Sequential:
    """One of the networks, as PyTorch has it."""
    layers = []
    for W, b in network:
        layer = nn.Linear(*W.shape[1:], dtype=W.dtype)
        layer.weight.data, layer.bias.data = W[run].T.clone(), b[run, 0].clone()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batches(seed: int, examples: int, batch: int) -> Iterator[Tensor]:
    """Without replacement: each pass goes through all examples in a new order."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(examples, generator=draw)
        yield from order[: examples - examples % batch].split(batch)


def _forward(network: Network, X: Tensor) -> list[Tensor]:
    """The inputs of each layer, and the outputs of the last."""
    found = [X]
    for W, b in network[:-1]:
        found.append(torch.baddbmm(b, found[-1], W).clamp_(min=0))
    W, b = network[-1]
    return [*found, torch.baddbmm(b, found[-1], W)]


def operations(widths: Sequence[int], batch: int = 1) -> float:
    """What SGD pays for an example: two a weight to multiply and add.

    Forward and for the slope in the weights it meets each of them, backward all but the
    first layer's; and a step, which a batch shares, changes each.
    """
    sizes = [into * out for into, out in pairwise(widths)]
    return 2 * (2 * sum(sizes) + sum(sizes[1:]) + sum(sizes) / batch)
