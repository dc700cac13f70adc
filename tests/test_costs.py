"""What a chapter costs is what its records say."""

from costs import duration, on_trust, recorded, told
from sweep import Square

from helpers import records


def test_records_are_added_up_by_scale_and_device(book):
    store = records.RecordStore("trial")
    for number, scale, device, seconds in (
        (0, "laptop", "a CPU", 10.0),
        (1, "laptop", "a CPU", 20.0),
        (2, "paper", "a GPU", 300.0),
    ):
        made = {"scale": scale, "device": device, "seconds": seconds}
        store.write(Square(number), number**2, made)
    assert [told(sweep) for sweep in recorded("trial")] == [
        "1 recorded run, 5 min on a GPU",
        "2 recorded runs, 30 s on a CPU",
    ]


def test_what_an_earlier_code_made_is_counted_until_it_is_run_again(book):
    store = records.RecordStore("trial")
    for number, code in enumerate(("older", "older", "newer")):
        store.write(Square(number), {}, {"code": code})
    store.accept(Square, "older", [], "converted")
    assert on_trust("trial") == 2
    store.accept(Square, "newer", ["same (0.0e+00) Square-1"])
    assert on_trust("trial") == 2


def test_a_chapter_without_records_costs_nothing_more(book):
    assert recorded("trial") == []


def test_durations_are_told_in_the_unit_that_fits():
    assert [duration(s) for s in (4, 119, 120, 7199, 7200)] == [
        "4 s",
        "119 s",
        "2 min",
        "120 min",
        "2.0 h",
    ]
