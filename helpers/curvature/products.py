"""Products of the Hessian and of the Gauss-Newton matrix with a vector.

What does not depend on the vector is built once and kept: a Hessian product then costs
two gradient passes, and a Gauss-Newton product one for J v (forward mode) and two
thirds for J^T, where rebuilding the graph for every vector costs three and two.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from helpers.curvature.checks import check_problem
from helpers.curvature.losses import Loss, half_square, output_curvature

Part = Callable[[Sequence[Tensor]], Sequence[Tensor]]


class Product:
    """A symmetric p x p matrix known by its products; `@` takes (p,) or (p, k).

    count: vectors multiplied so far.
    """

    def __init__(
        self, parameters: list[nn.Parameter], parts: Callable[[], Iterable[Part]]
    ):
        self.shape = (sum(p.numel() for p in parameters),) * 2
        self.dtype, self.device = parameters[0].dtype, parameters[0].device
        self.count = 0
        self._parameters, self._parts = parameters, parts

    def __matmul__(self, vector: Tensor) -> Tensor:
        if vector.ndim == 2:
            return torch.stack([self @ column for column in vector.unbind(1)], 1)
        self.count += 1
        pieces = vector.split([p.numel() for p in self._parameters])
        shaped = [x.view_as(p) for x, p in zip(pieces, self._parameters, strict=True)]
        result = torch.zeros_like(vector)
        for part in self._parts():
            result += torch.cat([gradient.flatten() for gradient in part(shaped)])
        return result


def hessian(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    chunk: int = 32,
    keep: bool = True,
) -> Product:
    """The Hessian of the loss in the trainable parameters.

    chunk: examples in one graph.
    keep: hold the graphs (about a megabyte an example for a small CNN); False rebuilds
        them for each product.
    """
    parameters = _trainable(model)

    def part(inputs_: Tensor, targets_: Tensor) -> Part:
        share = len(inputs_) / len(inputs)
        gradients = torch.autograd.grad(
            share * loss(model(inputs_), targets_),
            list(parameters.values()),
            create_graph=True,
            materialize_grads=True,
        )
        return lambda vectors: pull_back(gradients, parameters.values(), vectors)

    check_problem(model, inputs, targets, loss)
    return _product(part, parameters, inputs, targets, chunk, keep)


def gauss_newton(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    chunk: int = 32,
    keep: bool = True,
) -> Product:
    """The Gauss-Newton matrix of the loss; arguments as for `hessian`."""
    parameters = _trainable(model)

    def part(inputs_: Tensor, targets_: Tensor) -> Part:
        outputs = model(inputs_)
        root = output_curvature(loss, outputs.detach(), targets_).root
        root = root / math.sqrt(len(inputs))

        def forward(values: dict[str, Tensor]) -> Tensor:
            return functional_call(model, values, (inputs_,))

        @torch.no_grad()
        def multiply(vectors: Sequence[Tensor]) -> Sequence[Tensor]:
            tangents = dict(zip(parameters, vectors, strict=True))
            _, along = torch.func.jvp(forward, (parameters,), (tangents,))
            weighted = root @ (root.mT @ along[:, :, None])
            return pull_back([outputs], parameters.values(), [weighted[:, :, 0]])

        return multiply

    check_problem(model, inputs, targets, loss)
    return _product(part, parameters, inputs, targets, chunk, keep)


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _product(
    make_part: Callable[[Tensor, Tensor], Part],
    parameters: dict[str, nn.Parameter],
    inputs: Tensor,
    targets: Tensor,
    chunk: int,
    keep: bool,
) -> Product:
    def parts() -> Iterable[Part]:
        for below, above in zip(inputs.split(chunk), targets.split(chunk), strict=True):
            with torch.enable_grad():
                part = make_part(below, above)
            yield part

    kept = list(parts()) if keep else None
    return Product(list(parameters.values()), (lambda: kept) if keep else parts)


def pull_back(
    outputs: Iterable[Tensor], inputs: Iterable[Tensor], vectors: Iterable[Tensor]
) -> Sequence[Tensor]:
    """sum_k (d outputs_k / d inputs)^T vectors_k, with the graph kept."""
    pairs = [
        (output, vector)
        for output, vector in zip(outputs, vectors, strict=True)
        if output.requires_grad
    ]
    kept_outputs, kept_vectors = zip(*pairs, strict=True)
    return torch.autograd.grad(
        kept_outputs,
        list(inputs),
        kept_vectors,
        retain_graph=True,
        materialize_grads=True,
    )
