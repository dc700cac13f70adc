"""Two results of one spec: the same numbers, or numbers from the same distribution.

On another processor sums are added up in another order, and training a network at a
large rate forgets within a few steps where it was. What can be asked there is whether
the new numbers lie where those of other seeds lie.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
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
    return share_outside(new, list(others)) == 0


def share_outside(new: Any, others: Sequence[Any]) -> float:
    """Of the numbers, those that do not, or that all others have and `new` lacks."""
    found, known = list(_numbers(new)), [list(_numbers(other)) for other in others]
    values = defaultdict(list)
    for path, value in chain.from_iterable(known):
        values[path].append(value)
    common = [{path for path, _ in numbers} for numbers in known]
    gone = set.intersection(*common) - dict(found).keys() if common else set()
    outside = [not _among(value, values[path]) for path, value in found]
    outside += [True] * len(gone)
    return sum(outside) / len(outside) if outside else 1.0


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
