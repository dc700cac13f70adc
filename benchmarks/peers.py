"""The peers, each behind the same small face; their imports happen inside."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.curvature.losses import half_square

Multiply = Callable[[Tensor], Tensor]


def batches(bed) -> list[tuple[Tensor, Tensor]]:
    pairs = zip(bed.inputs.split(bed.chunk), bed.targets.split(bed.chunk), strict=True)
    return list(pairs)


def curvlinops_product(bed, kind: str) -> Multiply:
    """kind: "hessian" or "gauss_newton"; its MSELoss divides by C/2 more than ours."""
    import curvlinops

    build = {
        "hessian": curvlinops.HessianLinearOperator,
        "gauss_newton": curvlinops.GGNLinearOperator,
    }[kind]
    parameters = list(bed.model.parameters())
    operator = build(
        bed.model, nn.MSELoss(), parameters, batches(bed), check_deterministic=False
    )
    return lambda vector: operator @ vector * (bed.classes / 2)


def eigenthings_operator(bed, kind: str):
    import hessian_eigenthings as peer

    if kind == "hessian":
        loss = peer.supervised_loss(half_square)
        return peer.HessianOperator(bed.model, batches(bed), loss)
    return peer.GGNOperator(
        bed.model,
        batches(bed),
        peer.supervised_forward,
        peer.supervised_loss_of_output(half_square),
    )


def pyhessian_object(bed):
    from pyhessian import hessian

    return hessian(bed.model, half_square, dataloader=batches(bed), cuda=False)


def pyhessian_product(bed) -> Multiply:
    peer = pyhessian_object(bed)
    parameters = list(bed.model.parameters())
    sizes = [p.numel() for p in parameters]

    def multiply(vector: Tensor) -> Tensor:
        pieces = zip(vector.split(sizes), parameters, strict=True)
        _, image = peer.dataloader_hv_product([x.view_as(p) for x, p in pieces])
        return torch.cat([part.flatten() for part in image])

    return multiply


def pyhessian_top(bed, k: int) -> tuple[list[float], int]:
    """Its top k eigenvalues by its own rule, and the products it took."""
    peer, count = pyhessian_object(bed), 0
    product = peer.dataloader_hv_product

    def counted(vector):
        nonlocal count
        count += 1
        return product(vector)

    peer.dataloader_hv_product = counted
    values, _ = peer.eigenvalues(top_n=k)
    return values, count


def backpack_trace(bed, exact: bool) -> float:
    """tr G from the diagonal of the Gauss-Newton matrix, sampled or exact."""
    import copy

    from backpack import backpack, extend
    from backpack.extensions import DiagGGNExact, DiagGGNMC

    model, loss = extend(copy.deepcopy(bed.model)), extend(nn.MSELoss())
    name = "diag_ggn_exact" if exact else "diag_ggn_mc"
    total = 0.0
    for below, above in batches(bed):
        model.zero_grad()
        with backpack(DiagGGNExact() if exact else DiagGGNMC()):
            loss(model(below), above).backward()
        diagonals = [getattr(p, name).sum().item() for p in model.parameters()]
        total += sum(diagonals) * len(below) / len(bed.inputs)
    return total * bed.classes / 2


class Matrix:
    """A product as skerch and curvlinops want it: from both sides, for matrices."""

    def __init__(self, multiply: Multiply, size: int):
        self.multiply, self.shape = multiply, (size, size)
        self.dtype, self.device = torch.float32, torch.device("cpu")
        self.count = 0

    def __matmul__(self, other: Tensor) -> Tensor:
        if other.ndim == 2:
            return torch.stack([self @ column for column in other.unbind(1)], 1)
        self.count += 1
        return self.multiply(other)

    def __rmatmul__(self, other: Tensor) -> Tensor:
        return (self @ other.T).T
