"""Run once, keep: a frozen spec goes in, a record with its provenance comes out."""

import dataclasses
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from helpers import dials, locks, provenance
from helpers.dials import BookError

FORMAT = 1
DIGITS = 7  # significant digits kept of a float
PATIENCE = "10s"  # how long a scheduler may take to answer
Run = Callable[[Any], Any]


class TimeIsUp(BookError):
    """The minutes given are spent; what was finished is kept."""


class Record(NamedTuple):
    spec: dict[str, Any]
    result: Any
    made: dict[str, Any]  # commit, code, versions, device, seconds, when, scale, data


def remember(run: Run, spec: Any, *, chapter: str, data: Any = None) -> Record:
    """The record of `run(spec)`: loaded if there is one, else run and written."""
    return remember_all(run, [spec], chapter=chapter, data=data)[0]


def remember_all(
    run: Run,
    specs: Iterable[Any],
    *,
    chapter: str,
    data: Any = None,
    cost: Callable[[Any], float] | None = None,
    executor: Executor | None = None,
) -> list[Record]:
    """The records of a sweep, in the order of its specs.

    What is missing is run, with a progress bar, and each record is written as its run
    ends: a sweep that is killed goes on where it was. `data` names the data set in the
    provenance: text, a dict, or a function that finds it out. `cost` estimates the
    seconds of a spec; it is asked while no run has told. `executor` is any
    `concurrent.futures` executor; without one, the scheduler of BOOK_EXECUTOR serves,
    or else the plain loop.
    """
    specs = list(specs)
    shelf = Shelf(chapter)
    if seen is not None:
        seen.extend((run, spec, shelf) for spec in specs)
    missing = [spec for spec in dict.fromkeys(specs) if not shelf.holds(spec)]
    if missing and dials.read().records == "only":
        raise BookError(
            f"{len(missing)} of {len(specs)} records of {chapter} are missing: "
            f"make them with `python -m helpers record {chapter} "
            f"--scale {dials.read().scale}`"
        )
    if executor or dials.read().executor:
        finished = _by_executor(run, missing, executor)
    else:
        finished = _one_by_one(run, missing, shelf)
    with _progress(missing, shelf, cost) as bar:
        for spec, result, made in finished:
            named = data() if callable(data) else data
            shelf.write(spec, result, made | {"data": named})
            bar.update()
    return [shelf.read(spec) for spec in specs]


class Shelf:
    """The folder that holds one chapter's records."""

    def __init__(self, chapter: str):
        if not (dials.ROOT / "book" / f"{chapter}.ipynb").is_file():
            raise BookError(
                f"no chapter {chapter!r}: book/{chapter}.ipynb is not there"
            )
        self.chapter = chapter
        self.folder = dials.read().records_folder / chapter

    def path(self, spec: Any) -> Path:
        return self.folder / f"{type(spec).__name__}-{fingerprint(spec)}.json"

    def holds(self, spec: Any) -> bool:
        """Whether the record is there, and new enough where `fresh` ones are wanted."""
        if not self.path(spec).exists():
            return False
        wanted = dials.read()
        if wanted.records != "fresh":
            return True
        when = datetime.fromisoformat(self.read(spec).made["when"])
        return when >= wanted.fresh_since

    def read(self, spec: Any) -> Record:
        return load(self.path(spec))

    def write(self, spec: Any, result: Any, made: dict[str, Any]) -> None:
        """Atomically: the file is either whole or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = {
            "format": FORMAT,
            "spec": describe(spec),
            "result": plain(result),
            "made": plain(made),
        }
        text = json.dumps(body | {"sha256": _digest(body)}, indent=1) + "\n"
        handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path(spec))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))


def load(path: Path) -> Record:
    """A record from its file; refused if unreadable, altered or of another format."""
    try:
        body = json.loads(path.read_text())
        digest = body.pop("sha256")
        version = body["format"]
    except (
        OSError,
        UnicodeDecodeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):
        raise BookError(
            f"{path} cannot be read as a record: delete it, and the next run remakes it"
        ) from None
    if version != FORMAT:
        raise BookError(
            f"{path} has format {version!r}, this book reads {FORMAT}: delete it to "
            "remake it, or use the book's version that wrote it"
        )
    if digest != _digest(body):
        raise BookError(
            f"{path} was altered after it was written: restore it with "
            f"`git checkout -- {path.name}`, or delete it to remake it"
        )
    return Record(body["spec"], body["result"], body["made"])


def fingerprint(spec: Any) -> str:
    return _digest(describe(spec))[:16]


def describe(spec: Any) -> dict[str, Any]:
    """The spec as plain data: its name and its fields."""
    if not dataclasses.is_dataclass(spec) or not spec.__dataclass_params__.frozen:
        raise BookError(
            f"a spec must be a frozen dataclass, not a {type(spec).__name__}: "
            "write @dataclass(frozen=True) above it"
        )
    return {"name": type(spec).__name__} | plain(dataclasses.asdict(spec), exact=True)


def plain(value: Any, *, exact: bool = False) -> Any:
    """Arrays, tensors and tuples as lists; floats to the digits that matter."""
    if isinstance(value, dict):
        return {str(key): plain(item, exact=exact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, exact=exact) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist(), exact=exact)
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if exact or not math.isfinite(value) else _rounded(value)
    raise BookError(
        f"a record cannot hold a {type(value).__name__}: return numbers, text, lists, "
        "arrays or dicts of them"
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _digest(body: Any) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


deadline: float | None = None  # on time.monotonic(); `record --minutes` sets it
seen: list[tuple[Run, Any, "Shelf"]] | None = None  # `verify` looks over our shoulder


def late(ahead: float = 0.0) -> bool:
    """Whether the minutes given are over, or will be in so many seconds."""
    return deadline is not None and time.monotonic() + ahead > deadline


def timed(run: Run, spec: Any) -> tuple[Any, dict[str, Any]]:
    """The result, and where it came from: this runs where the work is done."""
    start = time.perf_counter()
    result = run(spec)
    return result, provenance.here() | {"seconds": time.perf_counter() - start}


def _one_by_one(
    run: Run, specs: list[Any], shelf: Shelf
) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """What no other process is at; then, should one have died, what it left."""
    slowest, left = 0.0, list(specs)
    for wait in False, True:
        others = []
        for done, spec in enumerate(left):
            with locks.claimed(shelf.path(spec), wait=wait) as ours:
                if not ours:
                    others.append(spec)
                elif not shelf.holds(spec):
                    _stop_if_late(slowest, len(left) - done)
                    result, made = timed(run, spec)
                    slowest = max(slowest, made["seconds"])
                    yield spec, result, made
        left = others


def _by_executor(
    run: Run, specs: list[Any], executor: Executor | None
) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    if not specs:
        return
    with nullcontext(executor) if executor else _cluster() as pool:
        waiting = {pool.submit(timed, run, spec): spec for spec in specs}
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                yield waiting[future], *future.result()
                _stop_if_late(0.0, len(specs) - done)
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _cluster() -> Iterator[Executor]:
    address = dials.read().executor
    try:
        from distributed import Client
    except ImportError:
        raise BookError(
            "BOOK_EXECUTOR needs Dask: pip install 'implicit-bias-book[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError):
        raise BookError(
            f"no scheduler answers at BOOK_EXECUTOR={address!r}: start one with "
            "`dask scheduler`, or unset BOOK_EXECUTOR"
        ) from None
    with client:
        yield client.get_executor()


def _stop_if_late(next_run: float, left: int) -> None:
    if left and late(next_run):
        raise TimeIsUp(f"time is up with {left} runs to go: run the same command again")


def _progress(missing: list[Any], shelf: Shelf, cost: Callable | None):
    """A bar with the time left, after a line that says what the sweep will cost."""
    from tqdm import tqdm  # in text: widgets warn where they are not installed

    if missing:
        alike = shelf.folder.glob(f"{type(missing[0]).__name__}-*.json")
        known = [load(path).made["seconds"] for path in alike]
        if known:
            each = f"about {sum(known) / len(known):.1f} s each"
        else:
            each = (
                f"at most {cost(missing[0]):.0f} s each" if cost else "of unknown cost"
            )
        print(f"{shelf.chapter}: {len(missing)} runs to go, {each}")
    bar = {"total": len(missing), "desc": shelf.chapter, "unit": "run"}
    return tqdm(**bar, disable=not missing)
