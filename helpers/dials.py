"""The dials that a reader may turn, read from the environment in this one place."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCALES = ("quick", "laptop", "paper")
RECORD_MODES = ("use", "fresh", "only")
SEEDS_PER_SHIFT = 1000


class BookError(Exception):
    """What the reader can mend: one line that says what is wrong and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Jupyter shows this in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class TimeIsUp(BookError):
    """The minutes given are spent; what was finished is kept."""

    def __init__(self, left: str = ""):
        super().__init__(f"time is up{left}: run the same command again")


@dataclass(frozen=True)
class Dials:
    scale: str  # BOOK_SCALE: quick, laptop or paper
    seed: int  # BOOK_SEED: shifts every seed of the book
    records: str  # BOOK_RECORDS: use, fresh or only
    fresh_since: datetime  # BOOK_FRESH_SINCE: `fresh` keeps what is newer than this
    records_folder: Path  # BOOK_RECORDS_FOLDER
    data: Path  # BOOK_DATA: where data sets lie
    executor: str  # BOOK_EXECUTOR: empty, or the address of a Dask scheduler
    deadline: float | None  # BOOK_DEADLINE, of the clock: `record --minutes` sets it

    def past_deadline(self, seconds_ahead: float = 0.0) -> bool:
        return self.deadline is not None and time.time() + seconds_ahead > self.deadline

    def as_environment(self) -> dict[str, str]:
        """The dials that a worker elsewhere must share."""
        return {
            "BOOK_SCALE": self.scale,
            "BOOK_SEED": str(self.seed),
            "BOOK_RECORDS": self.records,
            "BOOK_FRESH_SINCE": self.fresh_since.isoformat(),
        }


_STARTED = datetime.now(UTC)


def read(environment: Mapping[str, str] = os.environ) -> Dials:
    """All dials, checked. They are read anew at each call: a notebook may set them."""
    get = environment.get
    return Dials(
        scale=_one_of(SCALES, "BOOK_SCALE", get("BOOK_SCALE", "laptop")),
        seed=_count("BOOK_SEED", get("BOOK_SEED", "0")),
        records=_one_of(RECORD_MODES, "BOOK_RECORDS", get("BOOK_RECORDS", "use")),
        fresh_since=_moment("BOOK_FRESH_SINCE", get("BOOK_FRESH_SINCE", "")),
        records_folder=_folder(
            "BOOK_RECORDS_FOLDER", get("BOOK_RECORDS_FOLDER"), "data/records"
        ),
        data=_folder("BOOK_DATA", get("BOOK_DATA"), "data"),
        executor=_scheduler("BOOK_EXECUTOR", get("BOOK_EXECUTOR", "")),
        deadline=_clock("BOOK_DEADLINE", get("BOOK_DEADLINE", "")),
    )


def at_scale(*, quick: Any, laptop: Any, paper: Any = None) -> Any:
    """The value for the scale in force; `paper` is `laptop` unless given."""
    scale = read().scale
    if scale == "quick":
        return quick
    return laptop if scale == "laptop" or paper is None else paper


def seeds(count: int) -> range:
    """`count` consecutive seeds; BOOK_SEED moves them to ones nobody has looked at."""
    first = read().seed * SEEDS_PER_SHIFT
    return range(first, first + count)


def _one_of(choices: tuple[str, ...], name: str, value: str) -> str:
    if value not in choices:
        raise BookError(f"{name}={value!r} is unknown: choose {', '.join(choices)}")
    return value


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise BookError(f"{name}={value!r} is no seed: give a whole number, 0 or more")
    return int(value)


def _moment(name: str, value: str) -> datetime:
    if not value:
        return _STARTED
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BookError(
            f"{name}={value!r} is no time: write it like 2026-01-31T12:00:00+00:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _clock(name: str, value: str) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        raise BookError(
            f"{name}={value!r} is no time: give seconds of the clock, or --minutes"
        ) from None


def _folder(name: str, value: str | None, default: str) -> Path:
    if value is None:
        return ROOT / default
    if not Path(value).is_dir():
        raise BookError(
            f"{name}={value!r} is no folder: make it first, or unset {name}"
        )
    return Path(value)


def _scheduler(name: str, value: str) -> str:
    if value and "://" not in value:
        raise BookError(
            f"{name}={value!r} is no address: write it like tcp://host:8786"
        )
    return value
