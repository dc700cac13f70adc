"""The algorithms under test, on small problems: one file a subject.

They are batched over seeds and settings, in double precision, and know no theory.
"""

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
from helpers.dynamics.stability import (
    blow_up_rate,
    errors_along,
    every_batch,
    linear_sgd,
    log_growth,
    mixture,
)

__all__ = [
    "absolute_subgradient",
    "adagrad",
    "adam",
    "after",
    "blow_up_rate",
    "conjugate_gradients",
    "coordinate_descent",
    "errors_along",
    "every_batch",
    "gradient",
    "gradient_descent",
    "heavy_ball",
    "linear_sgd",
    "log_growth",
    "mixture",
    "nesterov",
    "normalised_descent",
    "path",
    "preconditioned",
    "predictions",
    "residual",
    "sgd",
]
