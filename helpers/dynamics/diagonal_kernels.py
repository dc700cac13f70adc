"""The inner loops of `diagonal`, compiled: one cell after the other, each in a cache.

`u`, `v`, `log_beta_change` and `diverged_at` have a row a cell and are changed in
place; cell c has the problem c modulo the number of problems, and the random stream of
its key. A step sees u and v as the step before left them, both of them.
"""

import numpy as np
from numba import njit

from helpers.dynamics import draws

_STRIDE, _FIRST, _SECOND = map(np.uint64, (draws.STRIDE, draws.FIRST, draws.SECOND))
_S1, _S2, _S3 = map(np.uint64, draws.SHIFTS)
_ONE, _HALF, _TWELVE = np.uint64(1), np.uint64(32), np.uint64(12)
_LOW = np.uint64(draws.LEVELS - 1)
_PER_WORD = draws.PER_WORD
_FAR = 1e9  # a residual of that size is a divergence
# Sums in any order, but NaN stays NaN: a run that diverges has to be seen.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@njit
def _word(key, count):
    z = key + (count + _ONE) * _STRIDE
    z = (z ^ (z >> _S1)) * _FIRST
    z = (z ^ (z >> _S2)) * _SECOND
    return z ^ (z >> _S3)


@njit
def _below(bits, n):
    """A number below n, from the upper half of a word."""
    return np.int64(((bits >> _HALF) * np.uint64(n)) >> _HALF)


@njit(fastmath=_FAST)
def one_example(
    Z, y, u, v, log_beta_change, diverged_at, rate, noise, keys, first, steps
):
    """SGD, an example a step, with ± noise on its label."""
    problems, n, d = Z.shape
    for cell in range(len(u)):
        X, labels = Z[cell % problems], y[cell % problems]
        U, V, factor = u[cell], v[cell], 1.0
        if diverged_at[cell] >= 0:
            continue
        for k in range(first, first + steps):
            bits = _word(keys[cell], np.uint64(k))
            i = _below(bits, n)
            z = X[i]
            f = 0.0
            for j in range(d):
                f += z[j] * (U[j] * U[j] - V[j] * V[j])
            r = f - labels[i] + (noise[cell] if bits & _ONE else -noise[cell])
            if not abs(r) < _FAR:
                diverged_at[cell] = k
                break
            c = 2 * rate[cell] * r
            for j in range(d):
                U[j] *= 1 - c * z[j]
                V[j] *= 1 + c * z[j]
            factor *= 1 - c * c
            if not 1e-200 < abs(factor) < 1e200:
                log_beta_change[cell] += np.log(abs(factor))
                factor = 1.0
        log_beta_change[cell] += np.log(abs(factor))


@njit(fastmath=_FAST)
def all_examples(
    Z, y, u, v, diverged_at, rate, noise, keys, first, steps, levels, signed, rest
):
    """Descent on all examples, with noise on labels, batches or parameters."""
    problems, n, d = Z.shape
    label, batch, sphere = noise
    r, s = np.empty(n), np.empty(d)
    for cell in range(len(u)):
        X, labels = Z[cell % problems], y[cell % problems]
        U, V, eta = u[cell], v[cell], rate[cell]
        if diverged_at[cell] >= 0:
            continue
        for k in range(first, first + steps):
            size = _residuals(X, labels, U, V, s, r)
            if not size < _FAR:
                diverged_at[cell] = k
                break
            if size <= rest[cell] and label == 0 and sphere == 0:
                break
            bits = _word(keys[cell], np.uint64(k))
            a, b = _below(bits, n), _below(_word(bits, np.uint64(0)), n)
            at_a, at_b = r[a], r[b]
            _scale(r, 1 / n)
            r[a] += batch * at_a - label * levels[bits & _LOW]
            r[b] -= batch * at_b
            _move(X, r, U, V, eta, s)
            if sphere:
                _shake(U, eta * sphere, _word(bits, np.uint64(1)), levels)
                if signed:
                    _shake(V, eta * sphere, _word(bits, np.uint64(2)), levels)


@njit(fastmath=_FAST)
def few_examples(
    Z, y, u, v, noise, step, diverged_at, rate, batch, keys, first, steps, rest
):
    """SGD on `batch` examples a step, or on all, and what log β owes to either part."""
    problems, n, d = Z.shape
    r, s, mean, kept = np.empty(n), np.empty(d), np.empty(d), np.empty(d)
    for cell in range(len(u)):
        X, labels = Z[cell % problems], y[cell % problems]
        U, V, eta, share = u[cell], v[cell], rate[cell], 1 / batch[cell]
        kept[:] = 1.0
        if diverged_at[cell] >= 0:
            continue
        for k in range(first, first + steps):
            size = _residuals(X, labels, U, V, s, r)
            if not size < _FAR:
                diverged_at[cell] = k
                break
            if size <= rest[cell]:
                break
            for j in range(d):
                mean[j] = 0.0
            factor = 1.0
            for i in range(n):
                c = 2 * eta * r[i]
                factor *= 1 - share * c * c
                for j in range(d):
                    mean[j] += r[i] * X[i, j] / n
            noise[cell] -= np.log(abs(factor)) / n
            for j in range(d):
                c = 2 * eta * mean[j]
                kept[j] *= 1 - (1 - share) * c * c
                s[j] = 0.0 if share else mean[j]
            if share:
                key = _word(keys[cell], np.uint64(k))
                for b in range(int(batch[cell])):
                    i = _below(_word(key, np.uint64(b)), n)
                    for j in range(d):
                        s[j] += share * r[i] * X[i, j]
            for j in range(d):
                U[j] *= 1 - 2 * eta * s[j]
                V[j] *= 1 + 2 * eta * s[j]
        step[cell] -= np.log(np.abs(kept))


@njit(fastmath=_FAST)
def _residuals(X, labels, U, V, w, r):
    """Into r; the sum of their sizes."""
    for j in range(len(w)):
        w[j] = U[j] * U[j] - V[j] * V[j]
    total = 0.0
    for i in range(len(X)):
        f, z = 0.0, X[i]
        for j in range(len(w)):
            f += z[j] * w[j]
        r[i] = f - labels[i]
        total += abs(r[i])
    return total


@njit
def _scale(r, factor):
    for i in range(len(r)):
        r[i] *= factor


@njit(fastmath=_FAST)
def _move(X, r, U, V, eta, s):
    """A step down the slope of the parameters, Σ rᵢ zᵢ through the chain rule."""
    for j in range(len(s)):
        s[j] = 0.0
    for i in range(len(X)):
        z = X[i]
        for j in range(len(s)):
            s[j] += r[i] * z[j]
    for j in range(len(s)):
        U[j] *= 1 - 2 * eta * s[j]
        V[j] *= 1 + 2 * eta * s[j]


@njit
def _shake(U, size, key, levels):
    """Independent normal numbers, five from each word."""
    bits = key
    for j in range(len(U)):
        if j % _PER_WORD == 0:
            bits = _word(key, np.uint64(j // _PER_WORD))
        U[j] -= size * levels[bits & _LOW]
        bits >>= _TWELVE
