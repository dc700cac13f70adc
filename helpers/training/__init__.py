"""The training of networks: a recipe, a loop, and networks that train together."""
