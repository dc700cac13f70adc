"""Two results of one spec: the same numbers, or numbers from the same distribution.

On another processor sums are added up in another order, and training a network at a
large rate forgets within a few steps where it was. What can be asked there is whether
the new numbers lie where those of other seeds lie.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

PLACES = ("step", "time", "when", "kind")  # rows that differ in these are not alike
Path = tuple[Any, ...]


def largest_difference(old: Any, new: Any) -> float:
    """Relative, over all numbers of two results of the same shape."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return max((largest_difference(old[key], new[key]) for key in old), default=0)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return max((largest_difference(*pair) for pair in pairs), default=0)
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    if not numbers or not (math.isfinite(old) and math.isfinite(new)):
        return 0.0 if repr(old) == repr(new) else math.inf
    return abs(old - new) / max(abs(old), abs(new), 1e-300)


def inside_spread(new: Any, others: Iterable[Any]) -> bool:
    """Whether every number lies among those of other seeds, or one range beyond.

    Where fewer than three others are known nothing can be said.
    """
    known = defaultdict(list)
    for result in others:
        for path, value in _numbers(result):
            known[path].append(value)
    found = list(_numbers(new))
    return bool(found) and all(_among(value, known[path]) for path, value in found)


def _among(value: float, known: list[float]) -> bool:
    if len(known) < 3:
        return False
    low, high = min(known), max(known)
    return low - (high - low) <= value <= high + (high - low)


def _numbers(result: Any, path: Path = ()) -> Iterator[tuple[Path, float]]:
    """Every finite number and where it stands; rows of several seeds stand together."""
    if isinstance(result, dict):
        for key, value in result.items():
            if key != "seed":
                yield from _numbers(value, (*path, key))
    elif isinstance(result, list):
        for index, value in enumerate(result):
            row = isinstance(value, dict)
            place = [value.get(key) for key in PLACES] if row else [index]
            yield from _numbers(value, (*path, *place))
    elif isinstance(result, int | float) and math.isfinite(result):
        yield path, float(result)
