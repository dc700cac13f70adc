"""Values against the criteria of `book/claims/`, each with a control that must fail.

A chapter brings numbers; what they are put to stands in `book/claims/<chapter>.toml`,
where no number that was measured can reach it.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from helpers import dials, ledger
from helpers.dials import BookError
from helpers.records import RecordStore

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Value = "float | Series | None"
SAME = 1e-9  # relative: two numbers that differ by less are one
STILL = 1e-6  # relative: what varies less from seed to seed says the same at each


@dataclass(frozen=True)
class Criterion:
    """What a claim says, and the number that decides it: one table of the TOML file.

    `over` says what the criterion is put to: every seed, the 95 % interval of the mean,
    or the one run there is. A claim that misses its criterion and reaches `refuted_at`
    as well contradicts its source.
    """

    id: str
    statement: str
    source: str
    said: Literal["source", "sharpened", "book"]
    quantity: str = ""
    at_least: float = -math.inf
    at_most: float = math.inf
    over: Literal["every seed", "mean", "one run"] = "every seed"
    control: str = ""
    refuted_at: float | None = None
    log: bool = False  # the mean's interval is taken on the logarithm
    within: tuple[float, float] = (-math.inf, math.inf)  # no interval leaves this
    records: tuple[str, ...] = ()  # the sweeps behind it
    quick: bool = False  # the verdict must hold at `quick`, too
    unpaired: str = ""  # why the control has other seeds than the value
    changed: str = ""  # what was changed after a run, and why
    since: str = ""  # the commit in which the criterion first stood
    seen: str = ""  # whether its value had been seen by then
    was: str = ""  # its id before it was renamed or split: the audit goes on there
    moved: str = ""  # the chapter on whose page it stood before: likewise
    withdrawn: str = ""  # why it is no longer judged

    def __post_init__(self):
        missing = {
            "said is one of source, sharpened, book": self.said not in SAID,
            "it has neither at_least nor at_most": not self.bounds,
            "it has no control": not self.control,
            "its quantity is not named": not self.quantity,
            "over is one of every seed, mean, one run": self.over not in OVER,
        }
        for what, is_wrong in missing.items():
            if is_wrong and not self.withdrawn:
                raise BookError(f"{self.id} in book/claims/: {what}")

    @property
    def bounds(self) -> dict[str, float]:
        ends = {"at_least": self.at_least, "at_most": self.at_most}
        return {name: end for name, end in ends.items() if math.isfinite(end)}

    def met_by(self, interval: tuple[float, float]) -> bool:
        """Over the whole interval."""
        return self.at_least <= interval[0] and interval[1] <= self.at_most

    def missed_by(self, interval: tuple[float, float]) -> bool:
        """Over the whole interval; what is not a number misses nothing."""
        return interval[1] < self.at_least or self.at_most < interval[0]

    def refuted_by(self, interval: tuple[float, float]) -> bool:
        if self.refuted_at is None:
            return False
        if self.refuted_at > self.at_most:
            return interval[0] >= self.refuted_at
        return interval[1] <= self.refuted_at

    def interval(self, value: Value) -> tuple[float, float]:
        """All that was measured, or the 95 % t-interval of its mean."""
        if value is None:
            return math.nan, math.nan
        values = np.atleast_1d(np.asarray(value, dtype=float))
        if self.over != "mean" or len(values) == 1:
            return float(values.min()), float(values.max())
        ends = np.exp(_t(np.log(values))) if self.log else _t(values)
        return tuple(np.clip(ends, *self.within).tolist())


SAID = ("source", "sharpened", "book")
OVER = ("every seed", "mean", "one run")
NUMBERS = {"at_least", "at_most", "refuted_at"}


class Claim(NamedTuple):
    """A criterion, and the numbers put to it."""

    criterion: Criterion
    value: Value
    control: Value
    scale: str

    @property
    def met(self) -> bool:
        return self.criterion.met_by(self.criterion.interval(self.value))

    @property
    def control_fails(self) -> bool:
        return self.criterion.missed_by(self.criterion.interval(self.control))

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not run at this scale"
        if not self.control_fails:
            return "vacuous"
        if self.met:
            return "reproduced"
        interval = self.criterion.interval(self.value)
        if not self.criterion.missed_by(interval):
            return "undecided"
        refuted = self.criterion.refuted_by(interval)
        return "contradicts the source" if refuted else "not reproduced"

    def as_data(self) -> dict[str, Any]:
        """What is stored: the keys are those that claims.json publishes."""
        asked, unit = self.criterion, _unit(self.value)
        return {
            "id": asked.id,
            "statement": asked.statement,
            "quantity": asked.quantity,
            "source": asked.source,
            "said": asked.said,
            "verdict": self.verdict,
            "scale": self.scale,
            "value": _centre(self.value, asked),
            "interval": _rounded(asked.interval(self.value)),
            "values": _listed(self.value),
            "over": asked.over,
            "unit": unit,
            "units": _names(self.value),
            "criterion": asked.bounds,
            "control": {
                "label": asked.control,
                "interval": _rounded(asked.interval(self.control)),
                "values": _listed(self.control),
            },
            "sweeps": list(asked.records),
            "quick": asked.quick,
            "since": asked.since,
            "seen": asked.seen,
            "changed": asked.changed,
        }


class Ledger(list[Claim]):
    """Judged claims: a table for readers, data for the scorecard, text for nbval."""

    def __init__(
        self,
        chapter: str,
        claims: Iterable[Claim],
        sweeps: Mapping[str, list[str]] | None = None,
    ):
        super().__init__(claims)
        self.chapter = chapter
        self.sweeps = dict(sweeps or {})  # the names of the records behind each

    def __str__(self) -> str:
        """Stable text, without a measured digit: this is what nbval compares."""
        return "\n".join(
            f"{claim.criterion.id} | {claim.verdict} | {claim.scale} | "
            f"inside the criterion: {_yes(claim.met)} | "
            f"control outside: {_yes(claim.control_fails)}"
            for claim in self
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # or IPython would print it as it prints lists

    @cached_property
    def bundle(self) -> dict[str, Any]:
        return {
            "chapter": self.chapter,
            "records_root": RecordStore(self.chapter).root(),
            "sweeps": self.sweeps,
            "claims": [claim.as_data() for claim in self],
        }

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        shown = ledger.table(self.bundle["claims"])
        return {
            "text/html": shown,
            "text/plain": str(self),
            ledger.MIME: self.bundle,
        }


def load(chapter: str) -> dict[str, Criterion]:
    """The chapter's criteria, in the order of the page; without those withdrawn."""
    return {
        name: asked for name, asked in load_all(chapter).items() if not asked.withdrawn
    }


def load_all(chapter: str) -> dict[str, Criterion]:
    path = dials.ROOT / "book" / "claims" / f"{chapter}.toml"
    try:
        tables = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise BookError(f"{chapter} has no criteria: write {path}") from None
    except tomllib.TOMLDecodeError as wrong:
        raise BookError(f"{path} cannot be read: {wrong}") from None
    return {name: _criterion(name, keys, path.name) for name, keys in tables.items()}


def judge(
    chapter: str,
    values: Mapping[str, tuple[Value, Value]],
    tables: "Mapping[str, DataFrame] | None" = None,
) -> Ledger:
    """Every claim of the chapter with its verdict, from its value and its control.

    A number stands for itself; what has seeds is a series over them (see `each`).
    `tables` holds the sweeps, by name, from which recorded values were taken.
    """
    criteria = load(chapter)
    if unlike := criteria.keys() ^ values.keys():
        raise BookError(
            f"{', '.join(sorted(unlike))}: in one of book/claims/{chapter}.toml and "
            "the notebook, but not in both"
        )
    tables = tables or {}
    sweeps = {name: sorted(set(frame["record"])) for name, frame in tables.items()}
    judged = (_judged(asked, *values[name], tables) for name, asked in criteria.items())
    return Ledger(chapter, judged, sweeps)


def each(values: Any, **unit: Iterable[Any]) -> "Series":
    """Values over what they vary with: `each(gap, seed=seeds)`, `each(x, angle=…)`."""
    import pandas as pd

    ((name, index),) = unit.items()
    return pd.Series(np.asarray(values, float), pd.Index(list(index), name=name))


def _judged(
    asked: Criterion, value: Value, control: Value, tables: "Mapping[str, DataFrame]"
) -> Claim:
    for part in (value, control):
        _check_kind(asked, part)
    if value is not None:
        if control is None:
            raise BookError(f"{asked.id}: its control was not measured")
        if np.size(value) != np.size(control) and not asked.unpaired:
            raise BookError(
                f"{asked.id}: {np.size(value)} values and {np.size(control)} of the "
                "control: measure both alike, or say why not as `unpaired`"
            )
        few = asked.over != "one run" and np.size(value) < 3  # may agree by chance
        if not few and _arithmetic(np.ravel(value), np.ravel(control)):
            raise BookError(
                f"{asked.id}: its control is arithmetic on the value and can decide "
                "nothing: measure a setting in which the effect is absent"
            )
    if value is None or not asked.records:
        return Claim(asked, value, control, dials.read().scale)
    return _with_records(asked, value, control, tables)


def _with_records(
    asked: Criterion, value: Value, control: Value, tables: "Mapping[str, DataFrame]"
) -> Claim:
    """Scale and seeds are those of the records."""
    absent = [name for name in asked.records if name not in tables]
    if absent:
        raise BookError(f"{asked.id}: hand over the table of the sweep {absent[0]!r}")
    frames = [tables[name] for name in asked.records]
    scales = {scale for frame in frames for scale in frame["scale"].unique()}
    if len(scales) > 1:
        raise BookError(f"{asked.id}: its records are of several scales: {scales}")
    known = {seed for frame in frames if "seed" in frame for seed in frame["seed"]}
    strange = set(_names(value)) - known if _unit(value) == "seed" else ()
    if strange:
        raise BookError(f"{asked.id}: no record has the seed {min(strange)}")
    return Claim(asked, value, control, scales.pop())


def _check_kind(asked: Criterion, value: Value) -> None:
    """A number for one run, a series with a named index for several; else refused."""
    if value is None:
        return
    if asked.over == "one run":
        if np.ndim(value) != 0:
            raise BookError(f"{asked.id} is judged over one run: give one number")
    elif _unit(value) is None:
        raise BookError(
            f"{asked.id}: say what its values vary with, as in "
            "`claims.each(values, seed=seeds)`"
        )


def _arithmetic(value: np.ndarray, control: np.ndarray) -> bool:
    """Whether one can be had from the other without an experiment."""
    value, control = value.astype(float), control.astype(float)
    if value.shape != control.shape or not np.isfinite([value, control]).all():
        return False
    if np.ptp(control) <= STILL * np.abs(control).max() and len(control) > 1:
        return False  # all alike: it says the same at every seed
    if _alike(np.sort(value), np.sort(control)):
        return True
    forms = [-value, 1 / value] if np.all(value) else [-value]
    if any(_alike(form, control) for form in forms):
        return True
    several = len(np.unique(value)) > 2  # through two points there always is a line
    return several and any(_on_a_line(x, control) for x in [value, *forms])


def _on_a_line(x: np.ndarray, y: np.ndarray) -> bool:
    if np.ptp(x) <= SAME * np.abs(x).max():
        return False
    return _alike(np.polyval(np.polyfit(x, y, 1), x), y)


def _alike(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.abs(first - second).max() <= SAME * np.abs(second).max())


def _criterion(name: str, keys: dict[str, Any], file: str) -> Criterion:
    known = {field.name for field in fields(Criterion)}
    if strange := keys.keys() - known:
        raise BookError(f"{file}: {name} has the unknown key {min(strange)!r}")
    if absent := {"statement", "source", "said"} - keys.keys():
        raise BookError(f"{file}: {name} lacks {', '.join(sorted(absent))}")
    for key in NUMBERS & keys.keys():
        if isinstance(keys[key], bool) or not isinstance(keys[key], int | float):
            raise BookError(f"{file}: {name}: {key} = {keys[key]!r} is no number")
    tuples = {key: tuple(v) for key, v in keys.items() if isinstance(v, list)}
    return Criterion(name, **keys | tuples)


def _t(values: np.ndarray) -> np.ndarray:
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return np.array([values.mean() - half, values.mean() + half])


def _unit(value: Value) -> str | None:
    return getattr(getattr(value, "index", None), "name", None)


def _names(value: Value) -> list[Any]:
    return value.index.tolist() if _unit(value) else []


def _listed(value: Value) -> list[float | None]:
    return [] if value is None else [_short(one) for one in np.ravel(value)]


def _centre(value: Value, asked: Criterion) -> float | None:
    if value is None:
        return None
    values = np.asarray(value, float)
    if asked.over == "mean":
        mean = np.exp(np.log(values).mean()) if asked.log else values.mean()
        return _short(mean)
    return _short(np.median(values))


def _rounded(interval: tuple[float, float]) -> list[float] | None:
    ends = [_short(end) for end in interval]
    return None if None in ends else ends


def _short(value: float) -> float | None:
    """As JSON, which knows neither NaN nor infinity."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
