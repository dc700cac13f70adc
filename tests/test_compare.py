"""What counts as the same result: the same numbers, or numbers among other seeds'."""

import pytest

from helpers.compare import inside_spread, largest_difference, share_outside

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (2.0, 2.0, 0),
        (2.0, 1.0, 0.5),
        (0.0, 0.0, 0),
        (0.0, 1e-9, 1),
        (-1.0, 1.0, 2),
        (1, 1.0, 0),
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.2]}, 0.2 / 2.2),
        ([{"a": 1.0}, {"a": 2.0}], [{"a": 1.0}, {"a": 4.0}], 0.5),
        ({"a": 1}, {"b": 1}, INF),
        ([1, 2], [1], INF),
        ([1.0, "x", None], [1.0, "x", None], 0),
        ("x", "y", INF),
        (NAN, NAN, 0),
        (1.0, NAN, INF),
        (INF, INF, 0),
        ([], [], 0),
    ],
)
def test_largest_difference(old, new, difference):
    assert largest_difference(old, new) == pytest.approx(difference)


FOUR_SEEDS = [{"loss": loss} for loss in (1.0, 1.5, 1.2, 2.0)]


@pytest.mark.parametrize(
    ("loss", "inside"),
    [(1.7, True), (0.0, True), (3.0, True), (-0.1, False), (3.1, False)],
)
def test_a_number_is_likely_among_those_of_other_seeds_or_one_range_beyond(
    loss, inside
):
    assert inside_spread({"loss": loss}, FOUR_SEEDS) is inside


def test_of_fewer_than_three_others_nothing_is_said():
    assert not inside_spread({"loss": 1.2}, FOUR_SEEDS[:2])


def test_one_unlikely_number_is_enough():
    others = [seed | {"step": 1.0} for seed in FOUR_SEEDS]
    assert inside_spread({"loss": 1.2, "step": 1.0}, others)
    assert not inside_spread({"loss": 1.2, "step": 2.0}, others)


def test_a_result_without_a_number_is_never_likely():
    assert not inside_spread({"loss": NAN}, FOUR_SEEDS)


def test_rows_are_compared_where_they_stand_whatever_their_seeds():
    def rows(*losses):
        return [
            {"seed": seed, "step": step, "loss": loss + step}
            for seed, loss in enumerate(losses)
            for step in (1, 100)
        ]

    assert inside_spread(rows(0.2, 0.4), [rows(0.1, 0.2, 0.3)])
    assert not inside_spread(rows(0.2, 50), [rows(0.1, 0.2, 0.3)])


def test_the_seed_is_no_result():
    others = [seed | {"seed": 0} for seed in FOUR_SEEDS]
    assert inside_spread({"loss": 1.2, "seed": 99}, others)
    assert not inside_spread({"seed": 0}, others)


def test_numbers_of_a_list_are_told_apart_by_their_place():
    others = [{"path": [k, 100 + k]} for k in range(3)]
    assert inside_spread({"path": [1, 101]}, others)
    assert not inside_spread({"path": [101, 1]}, others)


@pytest.mark.parametrize(
    ("row", "share"),
    [
        ({"loss": 1.2, "error": 0.5}, 0),
        ({"loss": 9.0, "error": 0.5}, 0.5),
        ({"loss": 1.2}, 0.5),
        ({"loss": 1.2, "error": NAN}, 0.5),
        ({"loss": 9.0, "error": 9.0}, 1),
        ({"loss": 1.2, "error": 0.5, "more": 1.0}, 1 / 3),
    ],
)
def test_the_share_that_is_unlikely(row, share):
    others = [seed | {"error": seed["loss"] / 3} for seed in FOUR_SEEDS]
    assert share_outside(row, others) == pytest.approx(share)
