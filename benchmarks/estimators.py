"""Randomised estimators: name -> (quantity, tool, function of matrix, count and seed).

Each makes about `count` products and gives its estimate of the trace or |H|_F.
"""

import math

import torch

from benchmarks.peers import Matrix
from helpers.curvature.lanczos import deflated_moments


def curvlinops_norm(matrix: Matrix, count: int, seed: int) -> float:
    from curvlinops import hutchinson_squared_fro

    torch.manual_seed(seed)
    return math.sqrt(hutchinson_squared_fro(matrix, count).item())


def curvlinops_trace(name: str):
    def run(matrix: Matrix, count: int, seed: int) -> float:
        import curvlinops

        torch.manual_seed(seed)
        return getattr(curvlinops, name)(matrix, count - count % 6).item()

    return run


def eigenthings_trace(matrix: Matrix, count: int, seed: int) -> float:
    import hessian_eigenthings as peer

    wrapped = peer.LambdaOperator(lambda v: matrix @ v, matrix.shape[0])
    return float(peer.hutch_plus_plus(wrapped, num_matvecs=count, seed=seed).estimate)


def skerch_trace(matrix: Matrix, count: int, seed: int) -> float:
    from skerch.algorithms import xhutchpp

    options = {"x_dims": count // 2, "seed": 10**6 * (seed + 1), "return_diag": False}
    return float(xhutchpp(matrix, "cpu", torch.float32, **options)["tr"])


def skerch_norm(matrix: Matrix, count: int, seed: int) -> float:
    from skerch.algorithms import snorm

    options = {"seed": 10**6 * (seed + 1), "norm_types": ("fro",)}
    found, _ = snorm(matrix, "cpu", torch.float32, count // 2, **options)
    return float(found["fro"])


def ours(field: str):
    def run(matrix: Matrix, count: int, seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        probes = max(2, count // 3)
        found = deflated_moments(
            matrix, steps=count - probes, probes=probes, generator=generator
        )
        return getattr(found, field)

    return run


ESTIMATORS = {
    "helpers deflated |H|_F": ("frobenius", "helpers", ours("frobenius")),
    "helpers deflated trace": ("trace", "helpers", ours("trace")),
    "curvlinops Hutchinson |H|_F": ("frobenius", "curvlinops", curvlinops_norm),
    "skerch snorm |H|_F": ("frobenius", "curvlinops", skerch_norm),
    "curvlinops Hutchinson trace": (
        "trace", "curvlinops", curvlinops_trace("hutchinson_trace")
    ),
    "curvlinops Hutch++ trace": (
        "trace", "curvlinops", curvlinops_trace("hutchpp_trace")
    ),
    "curvlinops XTrace trace": ("trace", "curvlinops", curvlinops_trace("xtrace")),
    "eigenthings Hutch++ trace": ("trace", "eigenthings", eigenthings_trace),
    "skerch XTrace trace": ("trace", "curvlinops", skerch_trace),
}  # fmt: skip
