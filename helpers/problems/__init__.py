"""Synthetic problems: one file a subject. A seed fixes a problem, whatever its batch."""

from helpers.problems.linear import (
    START_SEEDS,
    Classification,
    HiddenSignal,
    LeastSquares,
    by_hand,
    figure_one,
    hidden_signal,
    in_metric,
    least_squares,
    log_spaced_metric,
    random_start,
    rotated,
    side_by_side,
    smoothness,
    two_clouds,
)

__all__ = [
    "START_SEEDS",
    "Classification",
    "HiddenSignal",
    "LeastSquares",
    "by_hand",
    "figure_one",
    "hidden_signal",
    "in_metric",
    "least_squares",
    "log_spaced_metric",
    "random_start",
    "rotated",
    "side_by_side",
    "smoothness",
    "two_clouds",
]
