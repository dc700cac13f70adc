"""The training of networks: a recipe, a loop, and networks that train together."""

from helpers.training.ensemble import Ensemble, ensemble
from helpers.training.epochs import Examples
from helpers.training.loop import Outcome, estimate, measure, outputs, train
from helpers.training.recipe import Recipe
from helpers.training.step import best_device
from helpers.training.weights import load_or_train

__all__ = [
    "Ensemble",
    "Examples",
    "Outcome",
    "Recipe",
    "best_device",
    "ensemble",
    "estimate",
    "load_or_train",
    "measure",
    "outputs",
    "train",
]
