"""The algorithms under test, on small problems: one file a subject.

They are batched over seeds and settings, in double precision, and know no theory.
"""

from helpers.dynamics.label_noise import (
    descent,
    jacobian,
    label_noise_sgd,
    largest_curvature,
    mean_square,
    sampled,
    slope,
    snapshots,
    trace,
    turned_noise_sgd,
)
from helpers.dynamics.linear import (
    absolute_subgradient,
    adagrad,
    adam,
    after,
    conjugate_gradients,
    coordinate_descent,
    gradient,
    gradient_descent,
    heavy_ball,
    nesterov,
    normalised_descent,
    path,
    preconditioned,
    predictions,
    residual,
    sgd,
)

__all__ = [
    "absolute_subgradient",
    "adagrad",
    "adam",
    "after",
    "conjugate_gradients",
    "coordinate_descent",
    "descent",
    "gradient",
    "gradient_descent",
    "heavy_ball",
    "jacobian",
    "label_noise_sgd",
    "largest_curvature",
    "mean_square",
    "nesterov",
    "normalised_descent",
    "path",
    "preconditioned",
    "predictions",
    "residual",
    "sampled",
    "sgd",
    "slope",
    "snapshots",
    "trace",
    "turned_noise_sgd",
]
