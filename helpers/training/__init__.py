"""The training of networks: a recipe, a loop, and networks that train together."""

from helpers.training.epochs import Examples
from helpers.training.loop import Outcome, estimate, measure, outputs, train
from helpers.training.recipe import Recipe
from helpers.training.step import best_device
from helpers.training.team import Team, team
from helpers.training.weights import prepared

__all__ = [
    "Examples",
    "Outcome",
    "Recipe",
    "Team",
    "best_device",
    "estimate",
    "measure",
    "outputs",
    "prepared",
    "team",
    "train",
]
