"""Random numbers by counting: draw k of a stream is a hash of its key and k.

No generator has a state, so that a run sees the same numbers in any company, and after
any pause. The hash is SplitMix64.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

STRIDE, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
SHIFTS = 30, 27, 31
LEVELS = 4096  # a normal number takes 12 bits: five of them in a word
PER_WORD = 5


def word(key: int, count: int) -> int:
    """The draw of that number, 64 bits, in whole numbers of Python."""
    z = key + (count + 1) * STRIDE & 2**64 - 1
    z = (z ^ z >> SHIFTS[0]) * FIRST & 2**64 - 1
    z = (z ^ z >> SHIFTS[1]) * SECOND & 2**64 - 1
    return z ^ z >> SHIFTS[2]


def keys(seeds: ArrayLike) -> NDArray[np.uint64]:
    """One key a seed: neighbouring seeds have unrelated streams."""
    seeds = np.asarray(seeds)
    found = [word(int(seed), 0) for seed in seeds.ravel()]
    return np.array(found, dtype=np.uint64).reshape(seeds.shape)


def normal_levels() -> NDArray[np.float64]:
    """The normal distribution in 4096 equally likely steps, of variance one."""
    from scipy.special import ndtri

    levels = ndtri((np.arange(LEVELS) + 0.5) / LEVELS)
    return levels / levels.std()
