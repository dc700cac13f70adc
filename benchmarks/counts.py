"""Multiplications, in gradient passes: no busy machine can falsify them."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.testbed import vgg6
from helpers.curvature import losses, products

IMAGES, CLASSES = 20, 10


def counts() -> dict[str, float]:
    """One Hessian and one Gauss–Newton product; the sketch; on the benchmark's CNN."""
    torch.manual_seed(0)
    model = vgg6(CLASSES)
    problem = model, torch.randn(IMAGES, 3, 32, 32), torch.randn(IMAGES, CLASSES)
    weights = list(model.parameters())
    vector = torch.randn(sum(w.numel() for w in weights))

    def gradient():
        torch.autograd.grad(losses.half_square(model(problem[1]), problem[2]), weights)

    one = _flops(gradient)
    hessian, gauss_newton = (
        products.hessian(*problem),
        products.gauss_newton(*problem),
    )
    found = {"one product, hessian": hessian, "one product, gauss_newton": gauss_newton}
    for matrix in found.values():
        matrix @ vector  # builds the graphs, once for all products
    return {name: _flops(lambda m=m: m @ vector) / one for name, m in found.items()}


def _flops(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
