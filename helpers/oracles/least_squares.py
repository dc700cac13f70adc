"""The least-squares problem and its solutions: closed forms, no iteration."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def minimum_norm(X: ArrayLike, y: ArrayLike) -> Array:
    """argmin ‖w‖ subject to X w = y: the pseudo-inverse solution."""
    return _apply(np.linalg.pinv(np.asarray(X)), y)


def nearest_interpolator(X: ArrayLike, y: ArrayLike, start: ArrayLike) -> Array:
    """The solution of X w = y that is closest to `start`."""
    return np.asarray(start) + minimum_norm(X, np.asarray(y) - _apply(X, start))


def weighted_minimum_norm(X: ArrayLike, y: ArrayLike, metric: ArrayLike) -> Array:
    """argmin Σ wⱼ²/metricⱼ subject to X w = y."""
    X, metric = np.asarray(X), np.asarray(metric)
    stretched = X * metric
    dual = np.linalg.solve(stretched @ np.swapaxes(X, -1, -2), np.asarray(y)[..., None])
    return _apply(np.swapaxes(stretched, -1, -2), dual[..., 0])


def basis_pursuit(X: ArrayLike, y: ArrayLike) -> Array:
    """argmin Σ|wⱼ| subject to X w = y, for one problem, by linear programming."""
    from scipy.optimize import linprog

    X = np.asarray(X)
    features = X.shape[1]
    answer = linprog(np.ones(2 * features), A_eq=np.hstack([X, -X]), b_eq=np.asarray(y))
    return answer.x[:features] - answer.x[features:]


def kernel_interpolator(
    X: ArrayLike, Y: ArrayLike, new: ArrayLike, sharpness: float
) -> tuple[Array, float]:
    """The shortest function through Y at X, of a Gaussian kernel: its values at `new`.

    And its norm. The kernel is exp(−sharpness · ‖x − x'‖²/m), with m the median of the
    squared distances among X.
    """
    from scipy.linalg import solve
    from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

    X, Y = np.asarray(X, float), np.asarray(Y, float)
    pair = np.triu_indices(len(X), 1)
    typical = np.median(euclidean_distances(X, squared=True)[pair])
    among, across = (rbf_kernel(some, X, sharpness / typical) for some in (X, new))
    weights = solve(among, Y, assume_a="pos")
    return across @ weights, np.sqrt((weights * Y).sum())


def off_span(X: ArrayLike, v: ArrayLike) -> Array:
    """How much of v lies outside the span of the examples, as a share of its norm."""
    X, v = np.asarray(X), np.asarray(v)
    outside = v - _apply(np.linalg.pinv(X), _apply(X, v))
    return np.linalg.norm(outside, axis=-1) / np.linalg.norm(v, axis=-1)


def slowest_contraction(X: ArrayLike, rate: ArrayLike) -> Array:
    """Gradient descent's linear rate: 1 − rate s² of largest size over the s > 0."""
    curvatures = np.linalg.svd(np.asarray(X), compute_uv=False) ** 2
    return np.abs(1 - np.asarray(rate) * curvatures).max(-1)


def slowest_direction(X: ArrayLike) -> Array:
    """The unit vector in the span along which gradient descent has the longest way."""
    return np.linalg.svd(np.asarray(X), full_matrices=False)[2][..., -1, :]


def sharpness_in(X: ArrayLike, scale: ArrayLike) -> Array:
    """The largest curvature of ½‖Xw − y‖² where steps are divided by `scale`."""
    X = np.asarray(X)
    gram = X / np.asarray(scale)[..., None, :] @ np.swapaxes(X, -2, -1)
    return np.linalg.eigvalsh(gram)[..., -1]


def adam_edge(fast: float) -> float:
    """The curvature times rate beyond which steps along a running mean grow.

    Along a direction of curvature λ they obey z² − (1 + β − ηλ(1 − β))z + β = 0, which
    has the root −1 at ηλ = 2(1 + β)/(1 − β).
    """
    return 2 * (1 + fast) / (1 - fast)


def gradient_descent_filter(
    X: ArrayLike, y: ArrayLike, rate: ArrayLike, steps: int
) -> Array:
    """The k-th iterate of gradient descent from zero, by its spectral filter."""
    return _filtered(X, y, lambda s: (1 - (1 - np.asarray(rate) * s**2) ** steps) / s)


def ridge(X: ArrayLike, y: ArrayLike, penalty: ArrayLike) -> Array:
    """argmin ‖Xw − y‖² + penalty ‖w‖²."""
    return _filtered(X, y, lambda s: s / (s**2 + np.asarray(penalty)))


def risk(w: ArrayLike, signal: ArrayLike, spread: ArrayLike) -> Array:
    """E (x·w − x·signal)² over E (x·signal)², exactly, for independent features."""
    signal, spread = np.asarray(signal), np.asarray(spread)
    wrong = np.square((np.asarray(w) - signal) * spread).sum(-1)
    return wrong / np.square(signal * spread).sum(-1)


def ridgeless_risk(spread: ArrayLike, signal: ArrayLike, examples: int) -> float:
    """The risk of the minimum-norm interpolator, as dimensions grow in proportion.

    With eigenvalues λ = spread² and κ the root of Σ λ/(λ+κ) = n, the relative risk is
    Σ (κ/(λ+κ))² λ w² / (1 − Σ (λ/(λ+κ))²/n) over Σ λ w².
    """
    from scipy.optimize import brentq

    power, signal = np.asarray(spread) ** 2, np.asarray(signal)

    def surplus(log_kappa: float) -> float:
        return (power / (power + np.exp(log_kappa))).sum() - examples

    kappa = np.exp(brentq(surplus, -60, np.log(power.sum()), xtol=1e-13))
    learned = power / (power + kappa)
    missed = ((1 - learned) ** 2 * power * signal**2).sum(-1)
    inflation = 1 - (learned**2).sum() / examples
    return missed / inflation / (power * signal**2).sum(-1)


def _apply(matrix: ArrayLike, vector: ArrayLike) -> Array:
    return (np.asarray(matrix) @ np.asarray(vector)[..., None])[..., 0]


def _filtered(X: ArrayLike, y: ArrayLike, gain) -> Array:
    left, s, right = np.linalg.svd(np.asarray(X), full_matrices=False)
    along = _apply(np.swapaxes(left, -1, -2), y)
    return _apply(np.swapaxes(right, -1, -2), gain(s) * along)
