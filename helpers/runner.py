"""The book without Jupyter: record a chapter's sweeps, and check what is stored."""

import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from helpers import dials, ledger, provenance, records
from helpers.compare import inside_spread, largest_difference
from helpers.dials import BookError
from helpers.experiments import sweeps

WORKER = "BOOK_WORKER"  # set for the processes of `record --jobs`


class Rerun(NamedTuple):
    """A record and what today's code gives for its spec."""

    spec: Any
    kept: records.Record
    result: Any
    made: dict[str, Any]
    difference: float  # the largest relative one; infinite where shapes differ
    likely: bool  # among what other seeds gave: see `compare`

    def agrees(self, tolerance: float) -> bool:
        return self.difference <= tolerance or self.likely

    def told(self, tolerance: float) -> str:
        same = "same" if self.difference <= tolerance else "DIFFERS"
        if self.likely and same == "DIFFERS":
            same = "differs, among other seeds"
        machine = self.kept.made["device"]
        name = records.name_of(self.spec)
        return f"{same} ({self.difference:.1e}) {name} [{machine}]"


def record(chapter: str, sweep: str | None) -> None:
    """Make what is missing of one sweep, or of all."""
    if os.environ.get(WORKER):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    for make in _chosen(chapter, [sweep] if sweep else []):
        records.remember_all(make())


def record_together(words: Sequence[str], jobs: int) -> int:
    """The same command in several processes; each takes up what no other has."""
    command = [sys.executable, "-m", "helpers", *words]
    as_worker = {"env": os.environ | {WORKER: "1"}, "stdin": subprocess.PIPE}
    running = [subprocess.Popen(command, **as_worker) for _ in range(jobs)]
    return max(process.wait() for process in running)


def verify(chapter: str, sample: int, of_each: bool = False) -> Iterator[Rerun]:
    """Run some of the records there are again, with today's code; nothing is kept.

    A sample of all, or `of_each` kind that one code made; without a GPU, of those that
    need none.
    """
    groups = defaultdict(list)
    for spec, record in _kept(chapter).items():
        if provenance.needs_a_gpu(record.made["device"]):
            continue
        groups[of_each and (type(spec), record.made["code"])].append(spec)
    if not groups:
        scale = dials.read().scale
        raise BookError(
            f"{chapter} has no record at scale {scale}: make them with "
            f"`python -m helpers record {chapter} --scale {scale}`"
        )
    for specs in groups.values():
        yield from map(rerun, random.sample(specs, min(sample, len(specs))))


def accept(chapter: str, reruns: Sequence[Rerun], tolerance: float) -> None:
    """Note for which kinds, and by which code, all that was run again agrees."""
    groups = defaultdict(list)
    for run in reruns:
        groups[type(run.spec), run.kept.made["code"]].append(run)
    for (kind, code), runs in groups.items():
        today = provenance.code_of(kind)
        if code != today and all(run.agrees(tolerance) for run in runs):
            lines = [run.told(tolerance) for run in runs]
            records.RecordStore(chapter).accept(kind, code, lines)


def rerun(spec: Any) -> Rerun:
    """Its starts are trained anew as well: see BOOK_RECORDS=fresh."""
    store = records.RecordStore.of(spec)
    kept = records.load(store.path(spec))
    with environment(BOOK_RECORDS="fresh"):
        result, made = records.timed(spec)
    result = records.plain(result)
    difference = largest_difference(kept.result, result)
    likely = inside_spread(result, [kept.result, *_of_other_seeds(spec)])
    return Rerun(spec, kept, result, made, difference, likely)


def _kept(chapter: str) -> dict[Any, records.Record]:
    store = records.RecordStore(chapter)
    specs = {spec for make in _chosen(chapter, []) for spec in make()}
    held = sorted(filter(store.holds, specs), key=records.name_of)
    return {spec: records.load(store.path(spec)) for spec in held}


def _of_other_seeds(spec: Any) -> list[Any]:
    """The results of the records that differ from its own in nothing else."""
    wanted, chapter = seedless(records.describe(spec)), type(spec).__module__
    kept = _kept(chapter.rpartition(".")[2])
    return [
        record.result
        for other, record in kept.items()
        if other != spec and seedless(record.spec) == wanted
    ]


def seedless(spec: Any) -> Any:
    """The description of a spec, without what tells its seeds apart."""
    if isinstance(spec, list):
        return [seedless(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    kept = {key: seedless(value) for key, value in spec.items()}
    return {key: value for key, value in kept.items() if key not in ("seed", "seeds")}


def recheck(row: ledger.Row, sample: int | None) -> tuple[ledger.Row, list[Rerun]]:
    """The claim computed again: live as a whole, recorded from fresh runs of a sample.

    The fresh records take the places of the stored ones in a folder of their own, and
    the chapter is executed on that folder. Without a `sample` every record is run.
    """
    chapter, behind = row["chapter"], row["sweeps"]
    reruns = []
    with tempfile.TemporaryDirectory() as folder, environment(BOOK_SCALE=row["scale"]):
        if behind:
            specs = [spec for make in _chosen(chapter, behind) for spec in make()]
            if sample:
                specs = _in_reach(specs, row["id"])
            chosen = random.sample(specs, min(sample or len(specs), len(specs)))
            reruns = [rerun(spec) for spec in chosen]
            _mirror(chapter, Path(folder), reruns)
        chosen = {"BOOK_RECORDS_FOLDER": folder} if behind else {}
        with environment(BOOK_RECORDS="only", **chosen):
            again = executed(chapter)
    found = {new["id"]: new for new in again}
    if row["id"] not in found:
        raise BookError(f"{chapter} no longer judges {row['id']}: execute it again")
    return found[row["id"]], reruns


def execute(notebook: Any, folder: Path) -> None:
    """All cells of a notebook, in place, as from that folder.

    Under other seeds than the stored ones a cell whose records are missing says so in
    one line, and so does each that needs what it would have given; the others go on.
    """
    try:
        from nbclient.exceptions import CellExecutionError
        from nbformat.v4 import new_output
    except ImportError:
        raise BookError(
            "executing a chapter needs nbclient: pip install nbclient ipykernel"
        ) from None
    missing: set[str] = set()
    with _kernel(notebook, folder) as client:
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as failed:
                if not (dials.read().seed and _for_want_of_records(failed, missing)):
                    raise
                missing |= _bound_by(cell.source)
                line = f"left out: {failed.evalue}\n"
                cell.outputs = [new_output("stream", text=line)]


@contextmanager
def _kernel(notebook: Any, folder: Path) -> Iterator[Any]:
    """A client, reached by sockets of its own.

    At ports, two kernels that start at once may be given the same one, and one dies.
    """
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
        where = {"metadata": {"path": str(folder)}}
        client = NotebookClient(notebook, timeout=3600, resources=where)
        client.config.KernelManager.transport = "ipc"
        client.config.KernelManager.ip = f"{sockets}/at"
        with client.setup_kernel():
            yield client


def _for_want_of_records(failed: Any, missing: set[str]) -> bool:
    if failed.ename == "NameError":
        return any(f"'{name}'" in failed.evalue for name in missing)
    return failed.ename == "NotRecorded"


def _bound_by(source: str) -> set[str]:
    """The names that a cell defines."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return functions | {name.id for name in names if isinstance(name.ctx, ast.Store)}


def executed(chapter: str) -> list[ledger.Row]:
    """The claims of a chapter that is executed now, and not stored."""
    import nbformat

    path = ledger.notebook(chapter)
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    return ledger.claims_in(notebook)


def _in_reach(specs: Sequence[Any], claim: str) -> list[Any]:
    """Without a GPU, those whose records need none."""
    made = [
        records.load(records.RecordStore.of(spec).path(spec)).made for spec in specs
    ]
    pairs = zip(specs, made, strict=True)
    found = [spec for spec, m in pairs if not provenance.needs_a_gpu(m["device"])]
    if not found:
        raise BookError(
            f"the runs behind {claim} were made on a GPU, and there is none here: go "
            "to one, or add --all, which may take days"
        )
    return found


def _mirror(chapter: str, folder: Path, reruns: list[Rerun]) -> None:
    """All records there, for a page may show another's; fresh, those run again."""
    stored = records.RecordStore(chapter)
    shutil.copytree(stored.folder.parent, folder, dirs_exist_ok=True)
    with environment(BOOK_RECORDS_FOLDER=str(folder)):
        fresh = records.RecordStore(chapter)
    for run in reruns:
        fresh.write(run.spec, run.result, run.made)


def _chosen(chapter: str, names: Sequence[str]) -> list[Any]:
    known = sweeps(chapter)
    for name in names:
        if name not in known:
            raise BookError(
                f"{chapter} has no sweep {name!r}: choose {', '.join(known)}"
            )
    return [known[name] for name in names or known]


class environment:
    """Dials that hold until the block ends."""

    def __init__(self, **values: str):
        self.values = values

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_: Any) -> None:
        for name, value in self.before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _end_with_parent() -> None:
    """A worker whose parent was killed sees its own input close."""
    sys.stdin.read()
    os._exit(1)
