"""One pass over the data: what every layer reads, and what comes back to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from helpers.curvature.layers import Layer, find_layers

SeedsOf = Callable[[Tensor, slice], Tensor]


class Call(NamedTuple):
    """One call of a layer: its input, and the edge of the graph at its output.

    An edge, not the output: a later in-place operation would change what the output
    tensor means, never the edge.
    """

    input: Tensor
    edge: GradientEdge


@contextmanager
def recorded_calls(modules: list[nn.Module]) -> Iterator[dict[nn.Module, Call]]:
    calls = {}

    def record(module: nn.Module, arguments: tuple, output: Tensor) -> None:
        calls[module] = Call(arguments[0].detach(), get_gradient_edge(output))

    hooks = [module.register_forward_hook(record) for module in modules]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


class Block(NamedTuple):
    """What one chunk of examples gives: outputs (b, C), and for each layer its input
    and its deltas (b, R, ...), one for each seed."""

    examples: slice
    outputs: Tensor
    inputs: list[Tensor]
    deltas: list[Tensor]


def backward_pass(
    model: nn.Module,
    layers: list[Layer],
    inputs: Tensor,
    seeds_of: SeedsOf,
    chunk: int,
) -> Iterator[Block]:
    """One pass over the examples: seeds e (b, R, C) become deltas d(e . f)/d(output).

    Only the path from the outputs down to the lowest of `layers` is differentiated,
    and no weight gradient is formed.
    """
    hooked = [layer.module for layer in layers if layer.module is not model]
    for start in range(0, len(inputs), chunk):
        examples = slice(start, min(start + chunk, len(inputs)))
        with torch.enable_grad(), recorded_calls(hooked) as calls:
            outputs = model(inputs[examples])
        seeds = seeds_of(outputs.detach(), examples)
        recorded = [calls[module] for module in hooked]
        pulled = iter(_pull_back(outputs, [call.edge for call in recorded], seeds))
        below = iter(call.input for call in recorded)
        at_model = [layer.module is model for layer in layers]
        yield Block(
            examples,
            outputs.detach(),
            [inputs[examples] if whole else next(below) for whole in at_model],
            [seeds if whole else next(pulled) for whole in at_model],
        )


def row_norms(
    model: nn.Module, inputs: Tensor, seeds_of: SeedsOf, chunk: int
) -> Tensor:
    """The squares |J_i^T e_ir|^2 (n, R), without forming a row."""
    layers = find_layers(model, inputs[:1])
    norms = []
    for block in backward_pass(model, layers, inputs, seeds_of, chunk):
        signals = zip(layers, block.inputs, block.deltas, strict=True)
        norms.append(sum(layer.square_norms(x, d) for layer, x, d in signals))
    return torch.cat(norms)


def _pull_back(
    outputs: Tensor, edges: list[GradientEdge], seeds: Tensor
) -> list[Tensor]:
    if not edges:
        return []
    deltas = [
        torch.autograd.grad(outputs, edges, seed, retain_graph=True)
        for seed in seeds.unbind(1)
    ]
    return [torch.stack(layer, 1) for layer in zip(*deltas, strict=True)]
