"""Per-example gradients, layer by layer.

A layer whose gradient is sum_t delta_t patch_t^T (linear layers, convolutions) is
handled by its patches and deltas; any other layer by torch.func on that layer alone;
and a parameter that belongs to no layer called exactly once by torch.func on the model.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.functional import pad

PATCH_BUFFER = 2**21  # entries: larger buffers leave the cache and cost page faults

PLAIN = torch.contiguous_format


@dataclass(frozen=True, eq=False)
class PatchLayer:
    """A linear layer or a plain convolution: weight gradient sum_t delta_t patch_t^T.

    Sizes: `channels` output channels, each with `width` parameters (the patch and
    perhaps a bias), at `positions` places t.
    """

    module: nn.Linear | nn.Conv2d
    positions: int

    @property
    def channels(self) -> int:
        return len(self.module.weight)

    @property
    def bias(self) -> bool:
        return self.module.bias is not None

    @property
    def width(self) -> int:
        return self.module.weight[0].numel() + self.bias

    def patches(self, inputs: Tensor) -> Tensor:
        """The patches (n, d, T) that the layer reads."""
        if isinstance(self.module, nn.Linear):
            return inputs.reshape(len(inputs), -1, inputs.shape[-1]).mT
        return _unfolded(self.module, inputs)

    def deltas(self, deltas: Tensor) -> Tensor:
        """The gradients at the layer's output as (n, R, channels, T)."""
        if isinstance(self.module, nn.Linear):
            return deltas.reshape(*deltas.shape[:2], -1, deltas.shape[-1]).mT
        return deltas.flatten(3)

    def rows(self, inputs: Tensor, deltas: Tensor, part: slice) -> Tensor:
        """Per-example gradients (n, R, channels in part, width)."""
        deltas = self.deltas(deltas)[:, :, part]
        n, seeds, channels, _ = deltas.shape
        size = (n, seeds, channels, self.width)
        rows = torch.empty(size, dtype=deltas.dtype, device=deltas.device)
        if self.bias:
            rows[..., -1] = deltas.sum(3)
        few = max(1, PATCH_BUFFER // (self.positions * self.width))
        for some, below, above in zip(
            rows.split(few), inputs.split(few), deltas.split(few), strict=True
        ):
            weight = above.flatten(1, 2) @ self.patches(below).mT
            some[..., : self.width - self.bias] = weight.view(*above.shape[:3], -1)
        return rows

    def square_norms(self, inputs: Tensor, deltas: Tensor) -> Tensor:
        """Their squared norms (n, R), without forming them where T = 1."""
        if self.positions > 1:
            return self.rows(inputs, deltas, slice(None)).square().sum((2, 3))
        patches = self.patches(inputs).square().sum((1, 2)) + self.bias
        return self.deltas(deltas).square().sum((2, 3)) * patches[:, None]


@dataclass(frozen=True, eq=False)
class FunctionLayer:
    """Any module, and those of its parameters that torch.func shall differentiate."""

    module: nn.Module
    parameters: dict[str, nn.Parameter]
    width: int = field(default=1, init=False)

    @property
    def channels(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters.values())

    def rows(self, inputs: Tensor, deltas: Tensor, part: slice) -> Tensor:
        def gradients(example: Tensor, example_deltas: Tensor) -> dict[str, Tensor]:
            def output(parameters: dict[str, Tensor]) -> Tensor:
                return functional_call(self.module, parameters, (example[None],))[0]

            return vmap(vjp(output, parameters)[1])(example_deltas)[0]

        parameters = {name: p.detach() for name, p in self.parameters.items()}
        # vmap knows one memory format only, and trained networks have another
        plain = (x.detach().clone(memory_format=PLAIN) for x in (inputs, deltas))
        rows = vmap(gradients)(*plain)
        flat = torch.cat([row.flatten(2) for row in rows.values()], 2)
        return flat[:, :, part, None]

    def square_norms(self, inputs: Tensor, deltas: Tensor) -> Tensor:
        return self.rows(inputs, deltas, slice(None)).square().sum((2, 3))


Layer = PatchLayer | FunctionLayer


def _unfolded(conv: nn.Conv2d, inputs: Tensor) -> Tensor:
    """The patches (n, d, T) of a convolution, as one copy of a strided view.

    Several times as fast on a CPU as torch's unfold, which copies entry by entry.
    """
    tall, wide = conv.padding
    windows = pad(inputs, (wide, wide, tall, tall))
    for axis, size, stride, dilation in zip(
        (2, 3), conv.kernel_size, conv.stride, conv.dilation, strict=True
    ):
        span = dilation * (size - 1) + 1
        windows = windows.unfold(axis, span, stride)[..., ::dilation]
    return windows.permute(0, 1, 4, 5, 2, 3).flatten(4).flatten(1, 3)


def find_layers(model: nn.Module, example: Tensor) -> list[Layer]:
    """The layers that together own every trainable parameter, in order of their call.

    Only a module that is called once, on one tensor, and shares nothing is a layer of
    its own; what is left over goes through the whole model.
    """
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    owners = _leaf_owners(model)
    with _observed(list(owners)) as (calls, shapes):
        model(example)
    layers, covered = [], set()
    for module in calls:
        if calls[module] == 1:
            layers.append(_layer(module, owners[module], shapes[module]))
            covered.update(id(parameter) for parameter in owners[module].values())
    rest = {name: p for name, p in trainable.items() if id(p) not in covered}
    return [*layers, FunctionLayer(model, rest)] if rest else layers


def _leaf_owners(model: nn.Module) -> dict[nn.Module, dict[str, nn.Parameter]]:
    """Modules without children, with their trainable parameters where unshared."""
    named = model.named_parameters(remove_duplicate=False)
    uses = Counter(id(parameter) for _, parameter in named)
    owners = {}
    for module in model.modules():
        own = {name: p for name, p in module.named_parameters() if p.requires_grad}
        leaf = next(module.children(), None) is None and module is not model
        if own and leaf and all(uses[id(p)] == 1 for p in own.values()):
            owners[module] = own
    return owners


@contextmanager
def _observed(modules: list[nn.Module]) -> Iterator[tuple[Counter, dict]]:
    """Counts of calls, in their order, and output shapes of one forward pass."""
    calls, shapes = Counter(), {}

    def observe(module: nn.Module, arguments: tuple, keywords: dict, output) -> None:
        plain = len(arguments) == 1 and isinstance(arguments[0], Tensor)
        plain = plain and not keywords and isinstance(output, Tensor)
        calls[module] += 1 if plain else 2
        shapes[module] = getattr(output, "shape", None)

    hooks = [m.register_forward_hook(observe, with_kwargs=True) for m in modules]
    try:
        yield calls, shapes
    finally:
        for hook in hooks:
            hook.remove()


def _layer(module: nn.Module, parameters: dict, shape: torch.Size) -> Layer:
    """A patch layer where the class is torch's own and nothing of it is frozen."""
    plain = list(parameters) == [name for name, _ in module.named_parameters()]
    plain = plain and set(parameters) <= {"weight", "bias"}
    if plain and type(module) is nn.Linear:
        return PatchLayer(module, positions=shape[1:-1].numel())
    if plain and type(module) is nn.Conv2d and _pads_with_zeros(module):
        return PatchLayer(module, positions=shape[2:].numel())
    return FunctionLayer(module, parameters)


def _pads_with_zeros(conv: nn.Conv2d) -> bool:
    zeros = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return zeros and conv.groups == 1
