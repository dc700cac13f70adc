"""Run once, keep: a frozen spec that knows how to run goes in, a record comes out.

A spec is a frozen dataclass that holds everything its run depends on, and a method
`run()`. Its record says what was asked, what came out, and where that came from.
"""

import dataclasses
import hashlib
import json
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers import dials, provenance
from helpers.dials import BookError, TimeIsUp

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT = 2
ACCEPTED = "accepted.json"
DIGITS = 7  # significant digits kept of a float
PATIENCE = "10s"  # how long a scheduler may take to answer


class OtherCode(UserWarning):
    """A record was made by code that its run no longer reaches."""


class NotRecorded(BookError):
    """Records are missing, and may not be made now."""


class Record(NamedTuple):
    spec: dict[str, Any]
    result: Any
    made: dict[str, Any]  # commit, code, versions, device, seconds, when, scale, data


def remember(spec: Any) -> Record:
    """The record of this spec: loaded if there is one, else run and written."""
    return remember_all([spec])[0]


def remember_all(
    specs: Iterable[Any], *, executor: Executor | None = None
) -> list[Record]:
    """The records of a sweep, in the order of its specs.

    What is missing is run, with a progress bar, and each record is written as its run
    ends: a sweep that is killed goes on where it was. `executor` is any
    `concurrent.futures` executor; without one, the scheduler of BOOK_EXECUTOR serves,
    or else the plain loop.
    """
    specs = list(specs)
    missing = [s for s in dict.fromkeys(specs) if not RecordStore.of(s).holds(s)]
    if missing and dials.read().records == "only":
        raise NotRecorded(_absent(missing, len(specs)))
    run = _by_executor if executor or dials.read().executor else _one_by_one
    with _progress(missing) as bar:
        for _ in run(missing, executor):
            bar.update()
    return [RecordStore.of(spec).read(spec) for spec in specs]


def table(specs: Iterable[Any]) -> "DataFrame":
    """A sweep's records as one tidy table.

    A row for each dict of a result, or for each in a list of them; the columns are the
    settings, those of nested specs as in `start.copies`, then what came out, and at
    last the record's name and the scale at which it was made.
    """
    from pandas import DataFrame

    specs, rows = list(specs), []
    for spec, record in zip(specs, remember_all(specs), strict=True):
        found = record.result if isinstance(record.result, list) else [record.result]
        settings = _flat(record.spec)
        origin = {"record": name_of(spec), "scale": record.made["scale"]}
        for one in found:
            if twice := settings.keys() & one.keys() - {"seed"}:
                raise BookError(
                    f"{type(spec).__name__}: {', '.join(sorted(twice))} is a setting "
                    "and a result: give one of them another name"
                )
            rows.append(settings | one | origin)
    return DataFrame(rows)


class RecordStore:
    """The folder that holds one chapter's records."""

    def __init__(self, chapter: str):
        self.chapter = chapter
        self.folder = dials.read().records_folder / chapter

    @classmethod
    def of(cls, spec: Any) -> "RecordStore":
        """That of the module in which the spec is written."""
        return cls(type(spec).__module__.rpartition(".")[2])

    def path(self, spec: Any) -> Path:
        return self.folder / f"{name_of(spec)}.json"

    def holds(self, spec: Any) -> bool:
        """Whether the record is there, and new enough where `fresh` ones are wanted."""
        if not self.path(spec).exists():
            return False
        wanted = dials.read()
        if wanted.records != "fresh":
            return True
        when = datetime.fromisoformat(load(self.path(spec)).made["when"])
        return when >= wanted.fresh_since

    def read(self, spec: Any) -> Record:
        record = load(self.path(spec))
        if not self._vouched_for(type(spec), record.made["code"]):
            warnings.warn(
                f"{self.chapter}: records of {type(spec).__name__} were made by other "
                "code: compare with `python -m helpers verify "
                f"{self.chapter} --sample 3`",
                OtherCode,
                stacklevel=2,
            )
        return record

    def _vouched_for(self, kind: type, code: str) -> bool:
        """Made by today's code, or by one that was accepted in its place."""
        today = provenance.code_of(kind)
        pairs = [
            (note["kind"], note["made_by"], note["today"]) for note in self.accepted()
        ]
        return code == today or (kind.__name__, code, today) in pairs

    def accepted(self) -> list[dict[str, Any]]:
        """Which other codes' records are taken for today's, and what speaks for it."""
        path = self.folder / ACCEPTED
        try:
            return json.loads(path.read_text()) if path.exists() else []
        except ValueError:
            raise BookError(
                f"{path} cannot be read: restore it with `git checkout -- {path}`"
            ) from None

    def accept(self, kind: type, code: str, runs: list[str], why: str = "") -> None:
        """On the strength of runs that were made again; without any, on trust."""
        note = {"kind": kind.__name__, "made_by": code, "runs": runs, "why": why}
        note |= {"today": provenance.code_of(kind)} | provenance.here()
        self._put(self.folder / ACCEPTED, [*self.accepted(), note])

    def write(self, spec: Any, result: Any, made: dict[str, Any]) -> None:
        """Atomically: the file is either whole or not there."""
        body = {
            "format": FORMAT,
            "spec": describe(spec),
            "result": plain(result),
            "made": plain(made),
        }
        self._put(self.path(spec), body | {"sha256": digest(body)})

    def _put(self, path: Path, body: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(body, indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("*-*.json"))

    def root(self) -> str:
        """One digest over all records: it is kept with the claims made of them."""
        names = {path.name: load(path) for path in self.paths()}
        return digest({name: digest(plain(record)) for name, record in names.items()})

    def clear_drafts(self) -> None:
        """What a killed process left half written, an hour ago or more."""
        for draft in self.folder.glob("*.part"):
            if time.time() - draft.stat().st_mtime > 3600:
                draft.unlink(missing_ok=True)


def load(path: Path) -> Record:
    """A record from its file; refused if unreadable, altered or of another format."""
    try:
        body = json.loads(path.read_text())
        stored = body.pop("sha256")
        version = body["format"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BookError(
            f"{path} cannot be read as a record: delete it, and the next run remakes it"
        ) from None
    if version != FORMAT:
        raise BookError(
            f"{path} has format {version!r}, this book reads {FORMAT}: delete it to "
            "remake it, or use the book's version that wrote it"
        )
    if stored != digest(body):
        raise BookError(
            f"{path} was altered after it was written: restore it with "
            f"`git checkout -- {path}`, or delete it to remake it"
        )
    return Record(body["spec"], body["result"], body["made"])


def fingerprint(spec: Any) -> str:
    return digest(describe(spec))[:16]


def name_of(spec: Any, *, with_code: bool = False) -> str:
    """Of the record; with the code as well, of what a run keeps on its way."""
    name = f"{type(spec).__name__}-{fingerprint(spec)}"
    return f"{name}-{provenance.code_of(type(spec))}" if with_code else name


def describe(spec: Any) -> dict[str, Any]:
    """The spec as plain data: its name and its fields, those of nested specs too."""
    if not dataclasses.is_dataclass(spec) or not spec.__dataclass_params__.frozen:
        raise BookError(
            f"a spec must be a frozen dataclass, not a {type(spec).__name__}: "
            "write @dataclass(frozen=True) above it"
        )
    fields = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    return {"name": type(spec).__name__} | plain(fields, exact=True)


def plain(value: Any, *, exact: bool = False) -> Any:
    """Arrays, tensors and tuples as lists; floats to the digits that matter."""
    if isinstance(value, dict):
        return {str(key): plain(item, exact=exact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, exact=exact) for item in value]
    if dataclasses.is_dataclass(value):
        return describe(value)
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


def digest(body: Any) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def timed(spec: Any) -> tuple[Any, dict[str, Any]]:
    """The result, and where it came from: this runs where the work is done."""
    start = time.perf_counter()
    result = spec.run()
    seconds = {"seconds": time.perf_counter() - start}
    return result, provenance.capture(spec) | seconds


@contextmanager
def try_lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether `path` is ours until the block ends; a process that dies lets go."""
    from filelock import FileLock, Timeout

    name = f"implicit-bias-{digest(str(path.resolve()))[:16]}.lock"
    lock = FileLock(Path(tempfile.gettempdir()) / name, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _make(spec: Any, folder: Path, wait: bool) -> tuple[Any, dict[str, Any]] | None:
    """Run and write, unless another is at it or was; on a worker too, if it can."""
    store = RecordStore.of(spec)
    if not folder.is_dir():  # a worker that sees other disks
        return timed(spec)
    store.folder = folder / store.chapter
    with try_lock(store.path(spec), wait=wait) as ours:
        if not ours:
            return None
        if store.holds(spec):
            kept = load(store.path(spec))
            return kept.result, kept.made
        result, made = timed(spec)
        store.write(spec, result, made)
        return result, made


def _make_elsewhere(
    spec: Any, folder: Path, environment: dict[str, str]
) -> tuple[Any, dict[str, Any]]:
    """Under the dials of the one who asked."""
    os.environ.update(environment)
    return _make(spec, folder, wait=True)


def _one_by_one(specs: list[Any], _: None = None) -> Iterator[None]:
    """What no other process is at; then, should one have died, what it left."""
    slowest, left, folder = 0.0, specs, dials.read().records_folder
    for wait in False, True:
        others = []
        for done, spec in enumerate(left):
            _stop_if_late(slowest, len(left) - done)
            start = time.perf_counter()
            if _make(spec, folder, wait) is None:
                others.append(spec)
                continue
            slowest = max(slowest, time.perf_counter() - start)
            yield
        left = others


def _by_executor(specs: list[Any], executor: Executor | None) -> Iterator[None]:
    if not specs:
        return
    asked = dials.read()
    how = asked.records_folder, asked.as_environment()
    with nullcontext(executor) if executor else _cluster() as pool:
        waiting = {pool.submit(_make_elsewhere, spec, *how): spec for spec in specs}
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                spec = waiting[future]
                result, made = future.result()
                if not RecordStore.of(spec).holds(spec):
                    RecordStore.of(spec).write(spec, result, made)
                yield
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
    if left and dials.read().past_deadline(next_run):
        raise TimeIsUp(f" with {left} runs to go")


def _absent(missing: list[Any], wanted: int) -> str:
    store, seed = RecordStore.of(missing[0]), dials.read().seed
    shifted = f"BOOK_SEED={seed} " if seed else ""
    return (
        f"{len(missing)} of {wanted} records of {store.chapter} are missing "
        f"({_cost(missing)}): make them with `{shifted}python -m helpers record "
        f"{store.chapter} --scale {dials.read().scale}`"
    )


def _cost(missing: list[Any]) -> str:
    """From runs of the same kind, or else as the spec itself estimates it."""
    store = RecordStore.of(missing[0])
    alike = store.folder.glob(f"{type(missing[0]).__name__}-*.json")
    made = [load(path).made for path in alike]
    here = [one for one in made if not provenance.needs_a_gpu(one["device"])]
    if made:
        seconds = [one["seconds"] for one in here or made]
        where = "" if here else " on a GPU, and there is none here"
        return f"about {sum(seconds) / len(seconds):.1f} s each{where}"
    if hasattr(missing[0], "cost") and dials.read().records != "only":
        return f"at most {missing[0].cost():.0f} s each"
    return "of unknown cost"


def _progress(missing: list[Any]):
    """A bar with the time left, after a line that says what the sweep will cost."""
    from tqdm import tqdm  # in text: widgets warn where they are not installed

    if not missing:
        return tqdm(disable=True)
    store = RecordStore.of(missing[0])
    store.clear_drafts()
    print(f"{store.chapter}: {len(missing)} runs to go, {_cost(missing)}")
    return tqdm(total=len(missing), desc=store.chapter, unit="run")


def _flat(spec: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    columns = {}
    for key, value in spec.items():
        if isinstance(value, dict):
            columns |= _flat(value, f"{prefix}{key}.")
        elif key != "name":
            columns[prefix + key] = value
    return columns


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
