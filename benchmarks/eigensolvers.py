"""Top-k eigenvalues by each tool's own rule: (matrix, k, seed) -> k values."""

import numpy as np
import torch
from torch import nn

from benchmarks.peers import Matrix
from helpers.curvature.lanczos import top_eigenvalues


def ours(matrix: Matrix, k: int, seed: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    return top_eigenvalues(matrix, k, tol=1e-3, generator=generator).values.tolist()


def pyhessian(matrix: Matrix, k: int, seed: int) -> list[float]:
    """Its power iteration at its default tol = 1e-3, on our product."""
    from pyhessian import hessian

    torch.manual_seed(seed)
    peer = hessian.__new__(hessian)
    peer.params, peer.model = [torch.zeros(matrix.shape[0])], nn.Identity()
    peer.full_dataset, peer.device = True, "cpu"

    def product(vectors):
        image = matrix @ vectors[0]
        return (image @ vectors[0]).item(), [image]

    peer.dataloader_hv_product = product
    return sorted(peer.eigenvalues(top_n=k)[0], reverse=True)


def eigenthings(steps: dict[int, int | None]):
    """Its Lanczos makes a fixed number of products: its default, or steps[k]."""

    def solve(matrix: Matrix, k: int, seed: int) -> list[float]:
        import hessian_eigenthings as peer

        wrapped = peer.LambdaOperator(lambda v: matrix @ v, matrix.shape[0])
        found = peer.lanczos(
            wrapped, k=k, max_iter=steps[k], tol=1e-3, which="LA", seed=seed
        )
        return sorted(found.eigenvalues.tolist(), reverse=True)

    return solve


def scipy_eigsh(matrix: Matrix, k: int, seed: int) -> list[float]:
    """How curvlinops is used: its operator handed to SciPy's ARPACK."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    def product(vector):
        return (matrix @ torch.from_numpy(vector.astype(np.float32))).numpy()

    operator = LinearOperator(matrix.shape, matvec=product, dtype=np.float32)
    start = np.random.default_rng(seed).standard_normal(matrix.shape[0])
    values = eigsh(operator, k, which="LA", tol=1e-3, v0=start.astype(np.float32))[0]
    return sorted(values.tolist(), reverse=True)


SOLVERS = {
    "helpers Lanczos": (ours, "helpers"),
    "PyHessian power iteration": (pyhessian, "PyHessian"),
    "eigenthings Lanczos, default": (eigenthings({1: None, 5: None}), "eigenthings"),
    "eigenthings Lanczos, 15 / 30": (eigenthings({1: 15, 5: 30}), "eigenthings"),
    "curvlinops + SciPy eigsh": (scipy_eigsh, "curvlinops"),
}
