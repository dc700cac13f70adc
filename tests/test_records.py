"""Recorded work is never lost, never altered unseen, never made twice."""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sweep import Square, Walk, on_another_machine

from helpers import provenance, records, runner
from helpers.dials import BookError, TimeIsUp
from helpers.images.table import Images
from helpers.images.table import table as images_of

SPECS = [Square(number) for number in range(5)]
HERE = Path(__file__).parent


@pytest.fixture
def folder(book):
    """Where the records of the specs of sweep.py lie."""
    return book / "data/records/sweep"


@pytest.fixture
def tally(tmp_path, monkeypatch):
    """The numbers that were run, in this process and in others."""
    path = tmp_path / "tally"
    path.touch()
    monkeypatch.setenv("SWEEP_TALLY", str(path))
    return lambda: [int(number) for number in path.read_text().split()]


def results(specs=SPECS, **how):
    return [record.result for record in records.remember_all(specs, **how)]


def squares(specs=SPECS, **how):
    return [result["square"] for result in results(specs, **how)]


def script(code, *words):
    """A process of its own that finds helpers and sweep.py."""
    paths = os.pathsep.join(map(str, (HERE, HERE.parent)))
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def rewrite(path, change):
    """Edit a record and give it a new digest, as a forger would."""
    body = json.loads(path.read_text())
    del body["sha256"]
    change(body)
    path.write_text(json.dumps(body | {"sha256": records.digest(body)}))


# What is kept


def test_what_is_remembered_is_not_run_again(folder, tally):
    assert squares() == squares() == [0, 1, 4, 9, 16]
    assert tally() == [0, 1, 2, 3, 4]
    assert len(list(folder.iterdir())) == 5


def test_order_and_repeats_are_the_callers(folder, tally):
    assert squares([Square(2), Square(1), Square(2)]) == [4, 1, 4]
    assert tally() == [2, 1]


def test_what_was_run_and_what_was_loaded_are_the_same(folder):
    run = records.remember(Square(1))
    assert run.result["third"] == 0.3333333
    assert records.remember(Square(1)) == run


@dataclass(frozen=True)
class Seen:
    """A run that uses images."""

    def sources(self) -> list[Images]:
        return [images_of(np.zeros((2, 1, 3, 3)), [0, 1], "two black images")]

    def run(self):
        return 1


def test_a_record_says_where_it_came_from(book):
    made = records.remember(Seen()).made
    (images,) = Seen().sources()
    assert made["data"] == [
        {"name": "two black images", "fingerprint": images.fingerprint}
    ]
    assert made["versions"]["torch"] == torch.__version__
    assert {"commit", "clean", "code", "device", "scale", "seconds", "when"} <= set(
        made
    )


def test_only_never_computes_and_names_the_command(folder, monkeypatch):
    monkeypatch.setenv("BOOK_RECORDS", "only")
    with pytest.raises(BookError, match="helpers record sweep --scale laptop"):
        squares()
    assert not folder.exists()


def test_only_under_another_seed_names_the_seed(folder, monkeypatch):
    monkeypatch.setenv("BOOK_RECORDS", "only")
    monkeypatch.setenv("BOOK_SEED", "3")
    with pytest.raises(BookError, match="`BOOK_SEED=3 python -m helpers record"):
        squares()


def test_fresh_runs_again_but_not_what_is_newer_than_its_start(
    folder, tally, monkeypatch
):
    squares(SPECS[:2])
    monkeypatch.setenv("BOOK_RECORDS", "fresh")
    hour = timedelta(hours=1)
    monkeypatch.setenv("BOOK_FRESH_SINCE", (datetime.now(UTC) - hour).isoformat())
    squares(SPECS[:2])
    assert tally() == [0, 1]
    monkeypatch.setenv("BOOK_FRESH_SINCE", (datetime.now(UTC) + hour).isoformat())
    squares(SPECS[:2])
    assert tally() == [0, 1, 0, 1]


def test_a_failing_run_keeps_what_was_finished(folder, monkeypatch):
    def fail_at_three(spec):
        return 1 / (3 - spec.number)  # a division by zero

    with monkeypatch.context() as patch:
        patch.setattr(Square, "run", fail_at_three)
        with pytest.raises(ZeroDivisionError):
            squares()
    assert len(list(folder.iterdir())) == 3
    assert len(results()) == 5


# What is refused


@pytest.mark.parametrize("spoil", ["", "{", "[]", '{"format": 2}', "\0\0"])
def test_an_unreadable_record_is_named_and_kept(folder, spoil):
    squares()
    path = sorted(folder.iterdir())[2]
    path.write_text(spoil)
    with pytest.raises(BookError) as wrong:
        squares()
    assert str(path) in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert path.read_text() == spoil
    assert len(list(folder.iterdir())) == 5


def test_a_binary_record_is_refused(folder):
    squares()
    min(folder.iterdir()).write_bytes(b"\xff\xfe")
    with pytest.raises(BookError, match="cannot be read"):
        squares()


def test_an_altered_record_is_refused_with_its_whole_path(folder):
    squares()
    path = min(folder.iterdir())
    body = json.loads(path.read_text())
    body["result"]["square"] = 100
    path.write_text(json.dumps(body))
    with pytest.raises(BookError, match="was altered") as wrong:
        squares()
    assert f"`git checkout -- {path}`" in str(wrong.value)


def test_a_record_of_another_format_is_refused(folder, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(records, "FORMAT", 0)
        squares()
    with pytest.raises(BookError, match="has format 0, this book reads 2"):
        squares()


def test_a_record_that_was_edited_and_hashed_again_changes_the_root(folder):
    squares()
    store = records.RecordStore("sweep")
    before = store.root()
    path = store.path(Square(2))
    rewrite(path, lambda body: body["result"].update(square=5))
    assert records.load(path).result["square"] == 5
    assert store.root() != before
    rewrite(path, lambda body: body["result"].update(square=4))
    assert store.root() == before


def test_a_lost_or_renamed_record_changes_the_root(folder):
    squares()
    store = records.RecordStore("sweep")
    before = store.root()
    store.path(Square(2)).rename(folder / "Square-2.json")
    renamed = store.root()
    (folder / "Square-2.json").unlink()
    assert len({before, renamed, store.root()}) == 3


def noticed(specs=SPECS):
    """The warnings that a reader sees."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        squares(specs)
    return [str(warning.message) for warning in seen]


def test_records_of_other_code_are_noticed_once_for_a_sweep(folder, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(provenance, "code_of", lambda kind: "older")
        squares()
    (told,) = noticed()
    assert "python -m helpers verify sweep" in told


def test_records_of_todays_code_are_loaded_without_a_word(folder):
    squares()
    assert noticed() == []


def test_records_of_other_code_are_silent_once_that_code_was_accepted(
    folder, monkeypatch
):
    with monkeypatch.context() as older:
        older.setattr(provenance, "code_of", lambda kind: "older")
        squares()
    store = records.RecordStore("sweep")
    before = store.root()
    store.accept(Walk, "older", ["a run of another kind"])
    store.accept(Square, "oldest", ["a run of other code"])
    assert len(noticed()) == 1
    store.accept(Square, "older", ["a run"])
    assert noticed() == []
    assert store.root() == before
    with monkeypatch.context() as newer:
        newer.setattr(provenance, "code_of", lambda kind: "newer")
        assert len(noticed()) == 1


# Specs, and what a record can hold


@dataclass
class Thawed:
    number: int = 1


@pytest.mark.parametrize("spec", [Thawed(), 3])
def test_a_spec_must_be_frozen(spec):
    with pytest.raises(BookError, match="frozen dataclass"):
        records.fingerprint(spec)


def test_every_field_counts_in_the_fingerprint():
    prints = {records.fingerprint(Square(a, b)) for a in range(3) for b in range(3)}
    assert len(prints) == 9
    assert records.fingerprint(Square(1)) == records.fingerprint(Square(1, 0))


def test_a_nested_spec_counts_in_the_fingerprint_to_the_last_digit():
    prints = {records.fingerprint(Walk(Square(k), 3)) for k in (1.0, 1 + 1e-12)}
    assert len(prints) == 2


def test_what_a_run_keeps_on_its_way_is_named_for_its_code(monkeypatch):
    name = records.name_of(Square(1), with_code=True)
    monkeypatch.setattr(provenance, "code_of", lambda kind: "other")
    other = records.name_of(Square(1), with_code=True)
    assert name != other == f"{records.name_of(Square(1))}-other"


def test_plain_keeps_numbers_and_refuses_objects():
    value = {"a": np.float32(1.5), "b": torch.ones(2), "c": (True, None, "x")}
    assert records.plain(value) == {"a": 1.5, "b": [1, 1], "c": [True, None, "x"]}
    with pytest.raises(BookError, match="cannot hold"):
        records.plain({"a": object()})


# The table


def test_a_table_has_a_row_a_dict_with_its_settings_and_its_record(folder, monkeypatch):
    monkeypatch.setenv("BOOK_SCALE", "quick")
    walks = [Walk(Square(10), 2), Walk(Square(20), 1)]
    found = records.table(walks)
    assert found["at"].tolist() == [10, 11, 20]
    assert found["start.number"].tolist() == [10, 10, 20]
    assert found["steps"].tolist() == [2, 2, 1]
    assert found["record"].tolist() == [records.name_of(walks[k]) for k in (0, 0, 1)]
    assert set(found["scale"]) == {"quick"}


def test_in_a_table_a_runs_own_seeds_stand_above_its_settings(folder):
    assert records.table([Walk(Square(1, seed=3), 1)])["seed"].tolist() == [7]


def test_a_table_tells_the_scale_of_the_record_not_of_the_day(folder, monkeypatch):
    monkeypatch.setenv("BOOK_SCALE", "quick")
    squares()
    monkeypatch.setenv("BOOK_SCALE", "paper")
    assert set(records.table(SPECS)["scale"]) == {"quick"}


def test_a_setting_cannot_also_be_a_result(folder, monkeypatch):
    monkeypatch.setattr(Square, "run", lambda spec: {"number": 1})
    with pytest.raises(BookError, match="number is a setting and a result"):
        records.table(SPECS)


# Time, cost, and what is left lying about


def test_time_is_up_between_runs(folder, monkeypatch):
    monkeypatch.setenv("BOOK_DEADLINE", str(time.time() + 2))
    monkeypatch.setenv("SWEEP_SECONDS", "1.1")
    with pytest.raises(TimeIsUp, match="4 runs to go"):
        squares()
    assert len(list(folder.iterdir())) == 1


@dataclass(frozen=True)
class Costly(Square):
    def cost(self):
        return 7


def test_a_sweep_says_what_it_will_cost_before_it_starts(book, capsys):
    squares(SPECS[:2])
    assert "2 runs to go, of unknown cost" in capsys.readouterr().out
    squares([Costly(1)])
    assert "1 runs to go, at most 7 s each" in capsys.readouterr().out


def test_once_a_run_has_told_its_cost_it_is_known(book, capsys):
    squares(SPECS[:2])
    capsys.readouterr()
    squares()
    told = capsys.readouterr()
    assert "3 runs to go, about 0.0 s each" in told.out
    assert "3/3" in told.err
    squares()
    assert capsys.readouterr() == ("", "")


def test_what_a_gpu_made_is_no_sample_for_a_machine_without(book, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "device", lambda: "a GPU")
    squares(SPECS[:2])
    capsys.readouterr()
    monkeypatch.setattr(provenance, "device", lambda: "CPU (x86_64)")
    squares(SPECS[:3])
    told = capsys.readouterr().out
    assert "1 runs to go, about 0.0 s each on a GPU, and there is none here" in told
    assert runner._in_reach(SPECS[:3], "T-1") == SPECS[2:3]
    with pytest.raises(BookError, match="behind T-1 were made on a GPU"):
        runner._in_reach(SPECS[:2], "T-1")
    kept = dict(zip(SPECS, records.remember_all(SPECS[:3]), strict=False))
    monkeypatch.setattr(runner, "_kept", lambda chapter: kept)
    monkeypatch.setattr(runner, "rerun", lambda spec: spec)
    assert list(runner.verify("sweep", 3)) == SPECS[2:3]


def test_drafts_of_the_dead_are_cleared_after_an_hour(folder):
    folder.mkdir()
    young, old = folder / "young.part", folder / "old.part"
    for draft in young, old:
        draft.write_text("half a rec")
    os.utime(old, (time.time() - 3700,) * 2)
    squares()
    assert young.exists()
    assert not old.exists()


# Executors


def test_any_executor_gives_the_same_records(folder):
    with ThreadPoolExecutor(2) as pool:
        by_pool = results(executor=pool)
    for path in folder.iterdir():
        path.unlink()
    assert results() == by_pool


def test_a_worker_elsewhere_runs_under_the_dials_of_the_one_who_asks(
    folder, tally, monkeypatch
):
    squares(SPECS[:1])
    monkeypatch.setenv("BOOK_SCALE", "quick")
    monkeypatch.setenv("BOOK_RECORDS", "fresh")
    # A second, for the moment of a record has no fractions.
    started = datetime.now(UTC) + timedelta(seconds=1)
    monkeypatch.setenv("BOOK_FRESH_SINCE", started.isoformat())
    time.sleep(1)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=on_another_machine) as pool:
        (record,) = records.remember_all(SPECS[:1], executor=pool)
    assert record.made["scale"] == "quick"
    assert tally() == [0, 0]


@pytest.fixture
def cluster(monkeypatch):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
    ) as local:
        monkeypatch.setenv("BOOK_EXECUTOR", local.scheduler_address)
        yield local


def test_a_dask_cluster_gives_the_same_records(folder, cluster, monkeypatch):
    by_cluster = results()
    for path in folder.iterdir():
        path.unlink()
    monkeypatch.delenv("BOOK_EXECUTOR")
    assert results() == by_cluster


def test_no_scheduler_is_one_line(folder, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(records, "PATIENCE", "1s")
    monkeypatch.setenv("BOOK_EXECUTOR", "tcp://127.0.0.1:9")
    with pytest.raises(BookError, match="no scheduler answers"):
        squares()


# Processes that share, and processes that die

BEGIN = """
import os, signal, sys, time
from pathlib import Path
from helpers import dials, provenance, records
from sweep import Square
dials.ROOT = Path(sys.argv[1])
provenance.device = lambda: "not asked"  # it would import torch, which takes long
"""
SWEEP = f"""
{BEGIN}
records.remember_all([Square(number) for number in range(12)])
"""
TWELVE = [Square(number) for number in range(12)]


def test_two_processes_share_a_sweep(book, folder, tally, monkeypatch):
    """Each record is made once, whoever makes it."""
    monkeypatch.setenv("SWEEP_SECONDS", "0.05")
    pair = [script(SWEEP, book) for _ in range(2)]
    for process in pair:
        process.communicate(timeout=60)
    assert [process.returncode for process in pair] == [0, 0]
    assert sorted(tally()) == list(range(12))


def test_a_sweep_on_a_cluster_whose_client_died_does_nothing_twice(
    book, folder, tally, cluster, monkeypatch
):
    monkeypatch.setenv("SWEEP_SECONDS", "0.1")
    client = script(SWEEP, book)
    while len(list(folder.glob("*.json"))) < 3:
        assert client.poll() is None
        time.sleep(0.01)
    client.kill()
    client.communicate()
    assert squares(TWELVE) == [number**2 for number in range(12)]
    assert sorted(tally()) == list(range(12))


KILLED = f"""
{BEGIN}
records.remember(Square(0))  # everything is imported now
for moment in map(float, sys.argv[2:]):
    child = os.fork()
    if not child:
        sys.stdout = sys.stderr
        records.remember_all([Square(number) for number in range(60)])
        os._exit(0)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    paths = dials.ROOT.glob("data/records/sweep/*.json")
    kept = [f"{{path.name}} {{records.load(path)}}" for path in paths]
    print("KEPT", *kept, sep=";", flush=True)
"""


def test_kill_9_at_any_moment_loses_no_finished_record(
    book, folder, tally, monkeypatch
):
    monkeypatch.setenv("SWEEP_SECONDS", "0.01")
    draw = random.Random(0)
    moments = [draw.uniform(0, 0.12) for _ in range(20)]
    told, _ = script(KILLED, book, *moments).communicate(timeout=60)
    lines = [line for line in told.splitlines() if line.startswith("KEPT")]
    kept = [set(line.split(";")) for line in lines]
    assert len(kept) == 20
    for earlier, later in pairwise(kept):
        assert earlier <= later
    assert squares([Square(number) for number in range(60)])[59] == 59**2
    assert set(tally()) == set(range(60))
    assert len(tally()) <= 60 + 20  # at most the run in flight, at each kill
