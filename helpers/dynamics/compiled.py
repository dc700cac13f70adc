"""Functions that are compiled once and kept on disk, as long ones take seconds."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Kept beside the source or in the user's cache; anew where neither can be written.

    Give it arrays of one layout and type: what two processes save at once is then the
    same.
    """
    try:
        return njit(cache=True)(function)
    except RuntimeError:  # numba found no place
        return njit(function)
