"""What the chapters record: frozen specs that know how to run, and sweeps of them.

One module a chapter. `SWEEPS` names its sweeps: functions that give the specs at the
scale and the seeds in force, and compute nothing.
"""

import importlib
from collections.abc import Callable
from typing import Any

from helpers import dials
from helpers.dials import BookError

Sweeps = dict[str, Callable[[], list[Any]]]


def recorded() -> list[str]:
    """The chapters that record something."""
    folder = dials.ROOT / "helpers" / "experiments"
    return sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__")


def sweeps(chapter: str) -> Sweeps:
    if chapter not in recorded():
        raise BookError(f"{chapter!r} records nothing: choose {', '.join(recorded())}")
    return importlib.import_module(f"helpers.experiments.{chapter}").SWEEPS
