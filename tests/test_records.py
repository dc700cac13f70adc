"""Recorded work is never lost, never altered unseen, never made twice."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from sweep import Square, fail_at_three, square

from helpers import records
from helpers.dials import BookError

SPECS = [Square(number) for number in range(5)]


def never(spec):
    raise AssertionError(f"{spec} was run again")


@pytest.fixture
def folder(book):
    return book / "data/records/trial"


def sweep(run=square, specs=SPECS, **how):
    return records.remember_all(run, specs, chapter="trial", **how)


def test_what_is_remembered_is_not_run_again(folder):
    first = sweep()
    assert [record.result["square"] for record in first] == [0, 1, 4, 9, 16]
    assert sweep(never) == first
    assert len(list(folder.iterdir())) == 5


def test_a_record_says_where_it_came_from(folder):
    made = sweep(data={"name": "a mirror", "sha256": "12"})[0].made
    assert made["data"] == {"name": "a mirror", "sha256": "12"}
    assert made["versions"]["torch"] == torch.__version__
    assert {"commit", "code", "device", "scale", "seconds", "when"} <= set(made)


def test_order_and_repeats_are_the_callers(folder):
    twice = sweep(specs=[Square(2), Square(1), Square(2)])
    assert [record.result["square"] for record in twice] == [4, 1, 4]


def test_what_was_run_and_what_was_loaded_are_the_same(folder):
    run = records.remember(square, Square(1), chapter="trial")
    assert run.result["third"] == 0.3333333
    assert records.remember(never, Square(1), chapter="trial") == run


def test_only_never_computes_and_names_the_command(folder, monkeypatch):
    monkeypatch.setenv("BOOK_RECORDS", "only")
    with pytest.raises(
        BookError, match="python -m helpers record trial --scale laptop"
    ):
        sweep()
    assert not folder.exists()


def test_fresh_runs_again_but_not_what_is_newer_than_its_start(folder, monkeypatch):
    sweep(specs=SPECS[:2])
    monkeypatch.setenv("BOOK_RECORDS", "fresh")
    before = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setenv("BOOK_FRESH_SINCE", before.isoformat())
    sweep(never, SPECS[:2])
    after = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setenv("BOOK_FRESH_SINCE", after.isoformat())
    with pytest.raises(AssertionError, match="run again"):
        sweep(never, SPECS[:2])


def test_a_failing_run_keeps_what_was_finished(folder):
    with pytest.raises(ArithmeticError):
        sweep(fail_at_three)
    assert len(list(folder.iterdir())) == 3
    assert len(sweep()) == 5


@pytest.mark.parametrize("spoil", ["", "{", "[]", '{"format": 1}', "\0\0"])
def test_an_unreadable_record_is_named_and_kept(folder, spoil):
    sweep()
    path = sorted(folder.iterdir())[2]
    path.write_text(spoil)
    with pytest.raises(BookError) as wrong:
        sweep()
    assert str(path) in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert path.read_text() == spoil
    assert len(list(folder.iterdir())) == 5


def test_a_binary_record_is_refused(folder):
    sweep()
    path = min(folder.iterdir())
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BookError, match="cannot be read"):
        sweep()


def test_an_altered_record_is_refused(folder):
    sweep()
    path = min(folder.iterdir())
    body = json.loads(path.read_text())
    body["result"]["square"] = 100
    path.write_text(json.dumps(body))
    with pytest.raises(BookError, match="altered"):
        sweep()


def test_a_record_of_another_format_is_refused(folder, monkeypatch):
    monkeypatch.setattr(records, "FORMAT", 0)
    sweep()
    monkeypatch.setattr(records, "FORMAT", 1)
    with pytest.raises(BookError, match="has format 0, this book reads 1"):
        sweep()


def test_an_unknown_chapter_is_refused(book):
    with pytest.raises(BookError, match="no chapter 'nowhere'"):
        records.remember_all(square, SPECS, chapter="nowhere")
    assert list((book / "data/records").iterdir()) == []


@dataclass
class Thawed:
    number: int = 1


@pytest.mark.parametrize("spec", [Thawed(), 3])
def test_a_spec_must_be_frozen(book, spec):
    with pytest.raises(BookError, match="frozen dataclass"):
        records.fingerprint(spec)


def test_every_field_counts_in_the_fingerprint():
    prints = {records.fingerprint(Square(a, b)) for a in range(3) for b in range(3)}
    assert len(prints) == 9
    assert records.fingerprint(Square(1)) == records.fingerprint(Square(1, 0))


def test_plain_keeps_numbers_and_refuses_objects():
    value = {"a": np.float32(1.5), "b": torch.ones(2), "c": (True, None, "x")}
    assert records.plain(value) == {"a": 1.5, "b": [1, 1], "c": [True, None, "x"]}
    with pytest.raises(BookError, match="cannot hold"):
        records.plain({"a": object()})


def test_any_executor_gives_the_same_records(folder):
    with ThreadPoolExecutor(2) as pool:
        by_pool = sweep(executor=pool)
    for path in folder.iterdir():
        path.unlink()
    assert [r.result for r in sweep()] == [r.result for r in by_pool]


def test_a_dask_cluster_gives_the_same_records(folder, monkeypatch):
    distributed = pytest.importorskip("distributed")
    alone = [record.result for record in sweep()]
    for path in folder.iterdir():
        path.unlink()
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
    ) as cluster:
        monkeypatch.setenv("BOOK_EXECUTOR", cluster.scheduler_address)
        # A local function travels as a chapter's does: by value.
        assert [r.result for r in sweep(lambda spec: square(spec))] == alone


def test_no_scheduler_is_one_line(folder, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(records, "PATIENCE", "1s")
    monkeypatch.setenv("BOOK_EXECUTOR", "tcp://127.0.0.1:9")
    with pytest.raises(BookError, match="no scheduler answers"):
        sweep()


def test_time_is_up_between_runs(folder, monkeypatch):
    monkeypatch.setattr(records, "deadline", time.monotonic() + 4)
    monkeypatch.setenv("SWEEP_SECONDS", "2.1")
    with pytest.raises(records.TimeIsUp, match="4 runs to go"):
        sweep()
    assert len(list(folder.iterdir())) == 1


def test_progress_and_cost_are_told(folder, capsys):
    sweep(specs=SPECS[:2])
    assert "2 runs to go, of unknown cost" in capsys.readouterr().out
    sweep(cost=lambda spec: 1 / 0)  # is not asked once a run has told
    captured = capsys.readouterr()
    assert "3 runs to go, about 0.0 s each" in captured.out
    assert "3/3" in captured.err
    sweep()
    assert capsys.readouterr().err == ""
    for path in folder.iterdir():
        path.unlink()
    sweep(cost=lambda spec: 7)
    assert "5 runs to go, at most 7 s each" in capsys.readouterr().out


KILLED = """
import sys
from pathlib import Path
from helpers import dials, records
from sweep import Square, square
dials.ROOT = Path(sys.argv[1])
records.remember_all(square, [Square(n) for n in range(50)], chapter="trial")
"""


def test_kill_9_loses_at_most_the_run_in_flight(book, folder):
    here = Path(__file__).parent
    environment = {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    environment |= {"SWEEP_SECONDS": "0.02"}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(book)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not folder.exists() or len(list(folder.glob("*.json"))) < 10:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = list(folder.glob("*.json"))
    assert 10 <= len(kept) < 50
    specs = {json.dumps(records.load(path).spec) for path in kept}
    assert len(specs) == len(kept)
    rest = sweep(specs=[Square(number) for number in range(50)])
    assert [record.result["square"] for record in rest] == [n * n for n in range(50)]


def test_two_processes_share_a_sweep(book, folder):
    """Each record is made once, whoever makes it."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from helpers import dials, records\n"
        "from sweep import Square\n"
        "dials.ROOT = Path(sys.argv[1])\n"
        "def run(spec):\n"
        "    time.sleep(0.05)\n"
        "    open(sys.argv[2], 'a').write(f'{spec.number}\\n')\n"
        "    return spec.number\n"
        "specs = [Square(k) for k in range(12)]\n"
        "found = records.remember_all(run, specs, chapter='trial')\n"
        "assert [record.result for record in found] == list(range(12))\n"
    )
    tally = book / "tally"
    command = [sys.executable, "-c", code, str(book), str(tally)]
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    pair = [subprocess.Popen(command, env=environment, **quiet) for _ in range(2)]
    assert [process.wait(60) for process in pair] == [0, 0]
    assert sorted(map(int, tally.read_text().split())) == list(range(12))


def test_the_data_set_is_asked_for_its_name_only_when_needed(folder):
    named = sweep(specs=SPECS[:1], data=lambda: "found out")[0].made["data"]
    assert named == "found out"

    def never_asked():
        raise AssertionError("nothing was run")

    sweep(never, SPECS[:1], data=never_asked)
