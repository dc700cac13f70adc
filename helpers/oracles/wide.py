"""What theory says of wide networks: their kernel, how far they go, how wide is enough.

The kernel is that of infinitely many neurons with weights u ~ N(0, I), at x and x':
E[g'(u·x) g'(u·x')] x·x' if the first layer is trained, plus E[g(u·x) g(u·x')] if both.
"""

import numpy as np
from numpy.typing import ArrayLike

from helpers.oracles.least_squares import Array

CURVED = (2 * np.pi) ** -0.5  # the largest second derivative, times the softness


def infinite_kernel(
    X: ArrayLike, softness: float = 0.0, trained: str = "first"
) -> Array:
    """(..., n, n), for a ReLU whose kink is rounded by a Gaussian of that deviation.

    Rounding adds softness² to each example's squared length, and nothing to the inner
    products, since the noise of two neurons' kinks is not shared (Cho and Saul's
    arc-cosine kernels do the rest).
    """
    X = np.asarray(X)
    inner = X @ X.swapaxes(-1, -2)
    length = np.sqrt(np.square(X).sum(-1) + softness**2)
    lengths = length[..., :, None] * length[..., None, :]
    cosine = np.clip(inner / lengths, -1, 1)
    beyond = np.pi - np.arccos(cosine)
    of_slopes = inner * beyond / (2 * np.pi)
    of_values = lengths * (np.sqrt(1 - cosine**2) + beyond * cosine) / (2 * np.pi)
    parts = {"first": of_slopes, "last": of_values, "all": of_slopes + of_values}
    return parts[trained]


def ends(kernel: ArrayLike) -> tuple[Array, Array]:
    """The least and the largest eigenvalue."""
    eigenvalues = np.linalg.eigvalsh(kernel)
    return eigenvalues[..., 0], eigenvalues[..., -1]


def shortest_way(kernel: ArrayLike, residual: ArrayLike) -> Array:
    """How far the nearest fit of the linearised network is: √(rᵀK⁻¹r)."""
    K, r = np.asarray(kernel), np.asarray(residual)
    return np.sqrt((r * np.linalg.solve(K, r[..., None])[..., 0]).sum(-1))


def steps_promised(rate: ArrayLike, least: ArrayLike, loss: float) -> Array:
    """After which (1 − rate·least/2)^steps is that share of the loss."""
    return np.log(loss) / np.log1p(-np.asarray(rate) * np.asarray(least) / 2)


def sufficient_width(X: ArrayLike, y: ArrayLike, softness: float) -> Array:
    """From which the theorem of the chapter holds, for a first layer that is soft.

    2/(1 − 1/√2)² · (M ‖X‖ ‖y‖/λ)², where M bounds g'' and λ is the least eigenvalue of
    the kernel.
    """
    X, y = np.asarray(X), np.asarray(y)
    least, _ = ends(infinite_kernel(X, softness))
    size = np.linalg.norm(X, 2, axis=(-2, -1)) * np.linalg.norm(y, axis=-1)
    return 2 / (1 - 0.5**0.5) ** 2 * (CURVED / softness * size / least) ** 2


def one_example(width: ArrayLike, label: ArrayLike, stretch: ArrayLike = 1.0) -> Array:
    """Kernel at the end of the flow of f = u·v/√width, over that at its start.

    From ‖u‖² = ‖v‖² = width and u·v = 0, on the example x = 1.
    """
    goal = np.asarray(label) * np.asarray(stretch)
    return np.sqrt(1 + goal**2 / np.asarray(width))
