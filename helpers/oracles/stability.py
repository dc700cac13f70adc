"""SGD near a minimum that fits every example: its exact limit of stability, and others.

At such a minimum the loss is ½ mean (g·θ)², with g the gradients of the outputs and θ
the way from the minimum. One step multiplies the second moment P = E θθᵀ by

    Q = I − 2ηC + η²D,   C = ½(H⊗I + I⊗H),   D = full H⊗H + single mean(Hᵢ⊗Hᵢ),

where H = mean(Hᵢ), Hᵢ = gᵢgᵢᵀ, and the two weights of D come from the sampling.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.dials import BookError
from helpers.oracles.least_squares import Array


class Minimum(NamedTuple):
    """In the eigenbasis of H, on its range: elsewhere nothing ever moves."""

    rows: Array  # (examples, rank): the gradients of the outputs
    curvatures: Array  # (rank,): the eigenvalues of H, descending

    @property
    def trace(self) -> float:
        return self.curvatures.sum()

    @property
    def frobenius(self) -> float:
        return np.sqrt((self.curvatures**2).sum())


class Sampling(NamedTuple):
    """The weights of the whole batch and of single examples in D."""

    full: float
    single: float


def minimum(gradients: ArrayLike, errors: ArrayLike = 0.0) -> Minimum:
    """From the outputs' gradients (examples, parameters), and how wrong they are."""
    _refuse_unfitted(errors)
    gradients = np.asarray(gradients, dtype=float)
    left, sizes, _ = np.linalg.svd(gradients, full_matrices=False)
    kept = sizes > 1e-10 * sizes[0]
    return Minimum(left[:, kept] * sizes[kept], sizes[kept] ** 2 / len(left))


def minimum_from_kernel(kernel: ArrayLike, errors: ArrayLike = 0.0) -> Minimum:
    """From the products gᵢ·gⱼ alone, which is all that a large network need give."""
    _refuse_unfitted(errors)
    sizes, left = np.linalg.eigh(np.asarray(kernel, dtype=float))
    kept = sizes[::-1] > 1e-12 * sizes[-1]
    sizes, left = sizes[::-1][kept], left[:, ::-1][:, kept]
    return Minimum(left * np.sqrt(sizes), sizes / len(left))


def sampling(examples: int, batch: int, kind: str = "without replacement") -> Sampling:
    """How a batch is drawn: with or without replacement, or every example by a coin."""
    if not 1 <= batch <= examples:
        raise BookError(f"batch = {batch}: use 1 to {examples} examples")
    if kind == "coins":
        return Sampling(1.0, 1 / batch - 1 / examples)
    if kind == "with replacement":
        return Sampling(1 - 1 / batch, 1 / batch)
    share = (examples - batch) / (batch * max(examples - 1, 1))
    return Sampling(1 - share, share)


def moment_operator(at: Minimum, rate: float, drawn: Sampling) -> Array:
    """Q, on symmetric matrices in an orthonormal basis of them."""
    if not rate > 0:
        raise BookError(f"rate = {rate}: a step needs a rate above zero")
    drift, noise = _drift_and_noise(at, drawn)
    return np.eye(len(drift)) - 2 * rate * np.diag(drift) + rate**2 * noise


def stability_limit(at: Minimum, drawn: Sampling) -> float:
    """The largest rate that is stable in mean square: 2 / λ_max(C⁺D)."""
    drift, noise = _drift_and_noise(at, drawn)
    return 2 / np.linalg.eigvalsh(noise / np.sqrt(drift[:, None] * drift))[-1]


def bisected_limit(at: Minimum, drawn: Sampling, tolerance: float = 1e-12) -> float:
    """The same rate, without the closed form: where the spectral radius of Q is one."""
    low, high = 0.0, descent_limit(at) * 1.01
    while high - low > tolerance * high:
        rate = (low + high) / 2
        values = np.linalg.eigvalsh(moment_operator(at, rate, drawn))
        low, high = (rate, high) if np.abs(values).max() <= 1 else (low, rate)
    return low


def growth_exponent(at: Minimum, rate: float, drawn: Sampling) -> float:
    """The exponent, per step, at which E L grows in the end: log of Q's radius."""
    return np.log(np.abs(np.linalg.eigvalsh(moment_operator(at, rate, drawn))).max())


def mean_loss(
    at: Minimum, errors: ArrayLike, rate: float, drawn: Sampling, steps: int
) -> Array:
    """E L after 0, 1, …, `steps` steps, exactly, from these errors of the outputs.

    It follows R = E rrᵀ, the errors' second moment, which stays well conditioned where
    curvatures do not. R is symmetric, and has to be kept so: what rounding adds
    that is not would grow.
    """
    kernel, moment = at.rows @ at.rows.T / len(at.rows), np.outer(errors, errors)
    losses = [moment.diagonal().mean() / 2]
    for _ in range(steps):
        pull = kernel @ moment
        single = (kernel * moment.diagonal()) @ kernel * len(at.rows)
        noise = drawn.full * pull @ kernel + drawn.single * single
        moment = moment - rate * (pull + pull.T) + rate**2 * noise
        moment = (moment + moment.T) / 2
        losses.append(moment.diagonal().mean() / 2)
    return np.array(losses)


def descent_limit(at: Minimum) -> float:
    """Gradient descent's: 2/λ_max. SGD of any batch size has a smaller one."""
    return 2 / at.curvatures[0]


def frobenius_limit(at: Minimum, drawn: Sampling) -> float:
    """Wu, Wang and Su's: 1 / (‖H‖ √(single · μ₀)), with μ₀ the least alignment."""
    return _over(1, at.frobenius * np.sqrt(drawn.single * least_alignment(at)[0]))


def trace_limit(at: Minimum, drawn: Sampling) -> float:
    """Wu and Su's, for any batch: 2 / (single · tr H)."""
    return _over(2, drawn.single * at.trace)


def coherence_limit(at: Minimum, examples: int, batch: int) -> float:
    """Dexter et al.'s, for examples drawn by coins: χ / (λ_max √(n/B − 1))."""
    overlaps = np.abs(at.rows @ at.rows.T)
    coherence = np.linalg.eigvalsh(overlaps)[-1] / overlaps.diagonal().max()
    return _over(coherence, at.curvatures[0] * np.sqrt(examples / batch - 1))


def overlap_limit(at: Minimum, examples: int, batch: int) -> float:
    """What the proof of the last one gives, unspent: from λ_max of (gᵢ·gⱼ)²."""
    top = np.linalg.eigvalsh((at.rows @ at.rows.T) ** 2)[-1]
    return _over(examples, np.sqrt(top * (examples / batch - 1)))


def one_matrix_limit(at: Minimum, drawn: Sampling) -> float:
    """The better of the tests of D ≤ (2/η)C on P = I and on the sharpest direction."""
    lengths, along = (at.rows**2).sum(1), at.rows[:, 0]
    tests = (
        (at.trace, at.frobenius**2, np.mean(lengths**2)),
        (at.curvatures[0], at.curvatures[0] ** 2, np.mean(along**4)),
    )
    return min(2 * c / (drawn.full * a + drawn.single * b) for c, a, b in tests)


def noise_alignment(at: Minimum, away: ArrayLike) -> Array:
    """μ = tr(ΣH) / (2L ‖H‖²) at the minimum plus `away`, (…, rank)."""
    away = np.asarray(away)
    noise = np.einsum("...i,ij,...j->...", away, _noise_form(at), away)
    return noise / (away**2 @ at.curvatures) / at.frobenius**2


def least_alignment(at: Minimum) -> tuple[float, Array]:
    """μ₀, the infimum of μ over all directions, and the direction that has it."""
    root = np.sqrt(at.curvatures)
    values, vectors = np.linalg.eigh(_noise_form(at) / np.outer(root, root))
    return max(values[0], 0.0) / at.frobenius**2, vectors[:, 0] / root


def _refuse_unfitted(errors: ArrayLike) -> None:
    loss = np.mean(np.square(errors)) / 2
    if not loss <= 1e-3:
        raise BookError(
            f"a loss of {loss:.2g} is no global minimum: train on, to 0.001 or less"
        )


def _noise_form(at: Minimum) -> Array:
    """A with tr(ΣH) = θᵀAθ: the mean of (gᵢ·Hgᵢ) gᵢgᵢᵀ, less H³."""
    weights = at.rows**2 @ at.curvatures / len(at.rows)
    return (at.rows.T * weights) @ at.rows - np.diag(at.curvatures**3)


def _drift_and_noise(at: Minimum, drawn: Sampling) -> tuple[Array, Array]:
    """C's diagonal and D, on symmetric matrices."""
    basis, values = _symmetric_basis(len(at.curvatures)), at.curvatures
    pairs = np.einsum("ni,nj->nij", at.rows, at.rows).reshape(len(at.rows), -1)
    single = (pairs @ basis).T @ (pairs @ basis) / len(at.rows)
    full = (basis.T * np.outer(values, values).ravel()) @ basis
    sums = np.add.outer(values, values).ravel() / 2
    return (basis.T**2) @ sums, drawn.full * full + drawn.single * single


def _symmetric_basis(size: int) -> Array:
    """Orthonormal columns that span the symmetric matrices, flattened."""
    above, beside = np.triu_indices(size)
    basis = np.zeros((size, size, len(above)))
    weight = np.where(above == beside, 1, np.sqrt(0.5))
    basis[above, beside, range(len(above))] = weight
    basis[beside, above, range(len(above))] = weight
    return basis.reshape(size**2, -1)


def _over(above: float, below: float) -> float:
    """Where the noise vanishes, so does the condition."""
    return above / below if below > 0 else np.inf
