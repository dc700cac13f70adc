"""Lanczos with full reorthogonalisation, for any symmetric matrix with a product.

Beside it stands power iteration, the usual tool, which Lanczos is compared with.

A matrix here is whatever has `shape`, `dtype`, `device` and `@`: the products of this
package, a curvlinops operator, or a tensor.
"""

import math
import warnings
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize


class Symmetric(Protocol):
    shape: tuple[int, int]
    dtype: torch.dtype
    device: torch.device

    def __matmul__(self, vector: Tensor) -> Tensor: ...


class Krylov(NamedTuple):
    """A Q = Q T + beta q e^T after j products: Q (j, p) by rows, T (j, j), beta."""

    basis: Tensor
    tridiagonal: Tensor
    beta: float


def krylov(matrix: Symmetric, start: Tensor, steps: int) -> Iterator[Krylov]:
    """The Krylov decomposition after each product, at most `steps` of them.

    Where the space is exhausted early it goes on from a random direction.
    """
    steps = min(steps, len(start))
    basis = torch.empty(steps + 1, len(start), dtype=start.dtype, device=start.device)
    basis[0] = start / start.norm()
    tridiagonal = torch.zeros(steps, steps, dtype=torch.float64)
    for j in range(steps):
        image = matrix @ basis[j]
        scale = image.norm().item()
        image, along = _orthogonalised(image, basis[: j + 1])
        tridiagonal[j, j] = along[j].item()
        beta = image.norm().item()
        if beta <= 10 * torch.finfo(start.dtype).eps * max(scale, tridiagonal.max()):
            beta = 0.0
        yield Krylov(basis[: j + 1], tridiagonal[: j + 1, : j + 1], beta)
        if j + 1 == steps:
            return
        if beta == 0.0:
            fresh = gaussian(matrix, 1, torch.Generator().manual_seed(j))[0]
            image, _ = _orthogonalised(fresh, basis[: j + 1])
        basis[j + 1] = image / image.norm()
        tridiagonal[j, j + 1] = tridiagonal[j + 1, j] = beta


def _orthogonalised(vector: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Gram-Schmidt twice: once leaves errors that breed copies of eigenvalues."""
    along = basis @ vector
    vector = vector - basis.T @ along
    again = basis @ vector
    return vector - basis.T @ again, along + again


class Eigenvalues(NamedTuple):
    """The k largest eigenvalues of a symmetric matrix, with what is known of them.

    values (k,): descending; each is a lower bound of the eigenvalue it stands for.
    vectors (p, k): orthonormal.
    residuals (k,): |A v - value v|; some eigenvalue lies within it, without condition.
        The error is mostly far smaller, about residual^2 / gap, but no run can prove
        that: it sees a cluster that it has not yet resolved as one value.
    certified: whether every residual is at most tol x value.
    products: vectors multiplied.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    certified: bool
    products: int


def top_eigenvalues(
    matrix: Symmetric,
    k: int = 1,
    *,
    tol: float = 1e-3,
    max_products: int = 200,
    start: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Eigenvalues:
    """The k algebraically largest eigenvalues, each within a residual of tol x value.

    A start with next to nothing along the first vector may certify the second instead.
    An exactly repeated eigenvalue counts once (until rounding splits it): one start
    vector sees one direction of each eigenspace.  A Gram matrix sees them all.
    """
    if start is None:
        start = gaussian(matrix, 1, generator)[0]
    if not 1 <= k <= len(start):
        raise ValueError(f"k = {k}: ask for 1 to {len(start)} eigenvalues")
    for state in krylov(matrix, start, max(k, max_products)):
        values, weights = torch.linalg.eigh(state.tridiagonal)
        values, weights = values.flip(0)[:k], weights.flip(1)[:, :k]
        residuals = state.beta * weights[-1].abs()
        certified = len(values) == k and bool((residuals <= tol * values.abs()).all())
        if certified:
            break
    products = len(state.tridiagonal)
    if not certified:
        warnings.warn(
            f"{products} products did not certify {k} eigenvalues to {tol:g}: "
            "read .residuals, or raise max_products",
            RuntimeWarning,
            stacklevel=2,
        )
    vectors = state.basis.T @ weights.to(state.basis)
    return Eigenvalues(values, vectors, residuals, certified, products)


def power_iteration(
    matrix: Symmetric,
    *,
    tol: float = 1e-3,
    max_products: int = 100,
    generator: torch.Generator | None = None,
) -> float:
    """The eigenvalue of largest size, by the usual rule: stop when it stands still.

    As in PyHessian: when one product changes the estimate by less than tol, as a share
    of it. Nothing is certified: where convergence is slow, each change is small.
    """
    vector, before = gaussian(matrix, 1, generator)[0], math.inf
    for _ in range(max_products):
        vector = normalize(vector, dim=0)
        image = matrix @ vector
        value = (vector @ image).item()
        if abs(value - before) <= tol * abs(value):
            break
        vector, before = image, value
    return value


class Moments(NamedTuple):
    """Unbiased trace and squared Frobenius norm; errors are standard errors.

    products: vectors multiplied.
    """

    trace: float
    trace_error: float
    frobenius: float
    frobenius_error: float
    products: int


def deflated_moments(
    matrix: Symmetric,
    *,
    steps: int = 30,
    probes: int = 20,
    generator: torch.Generator | None = None,
) -> Moments:
    """tr A and |A|_F, exactly on a Krylov space Q and by Hutchinson's probes off it.

    tr A = tr T + E z^T A z and |A|_F^2 = |A Q|^2 + E |A z|^2 with z = (I - Q Q^T) g;
    A Q = Q T + beta q e^T, so that |A Q|^2 = |T|^2 + beta^2 costs no further product.
    """
    if probes < 2:
        raise ValueError("a standard error needs at least two probes")
    *_, state = krylov(matrix, gaussian(matrix, 1, generator)[0], steps)
    traces, squares = [], []
    for probe in gaussian(matrix, probes, generator):
        outside, _ = _orthogonalised(probe, state.basis)
        image = matrix @ outside
        traces.append((outside @ image).item())
        squares.append(image.square().sum().item())
    trace, trace_error = _mean(torch.tensor(traces, dtype=torch.float64))
    square, square_error = _mean(torch.tensor(squares, dtype=torch.float64))
    square += state.tridiagonal.square().sum().item() + state.beta**2
    frobenius = math.sqrt(square)
    return Moments(
        state.tridiagonal.trace().item() + trace,
        trace_error,
        frobenius,
        square_error / (2 * frobenius) if frobenius else 0.0,
        len(state.tridiagonal) + probes,
    )


def _mean(samples: Tensor) -> tuple[float, float]:
    return samples.mean().item(), (samples.std() / math.sqrt(len(samples))).item()


def gaussian(
    matrix: Symmetric, count: int, generator: torch.Generator | None
) -> Tensor:
    """`count` standard normal vectors (count, p), drawn on the generator's device."""
    device = generator.device if generator else matrix.device
    return torch.randn(
        count,
        matrix.shape[0],
        dtype=matrix.dtype,
        device=device,
        generator=generator,
    ).to(matrix.device)
