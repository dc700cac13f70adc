"""The benchmark that is made for a GPU runs without one, and its page with it."""

import json

from benchmarks import page, throughput


def test_every_loop_is_measured_at_every_batch_size(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "STEPS", 2)
    out = tmp_path / "found.json"
    small = ["resnet8:8", "--batches", "1", "4", "--repeats", "1", "--workers", "0"]
    throughput.main([*small, "--out", str(out)])
    found = json.loads(out.read_text())["rows"]
    assert [row["batch"] for row in found] == [1] * 5 + [4] * 5
    assert len({row["loop"] for row in found}) == 5
    for row in found:
        low, middle, high = row["images a second"]
        assert 0 < low <= middle <= high
        assert 0 < row["data share"] < 1
        assert row["of peak"] is None  # nobody says what a CPU's peak is
    monkeypatch.setattr(throughput, "OUT", out)
    assert page.throughput_table().count("| ours") == 4


def test_what_was_not_measured_is_absent(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "OUT", tmp_path / "nothing.json")
    assert page.throughput_table() == ""
