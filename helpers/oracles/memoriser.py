"""A ReLU network with two hidden layers that knows any labels, written down at once.

After Yun, Sra & Jadbabaie: the points are projected on a line and cut into groups. A
first-layer ramp rises through each group. A second-layer tooth is a zigzag of the
ramps that passes through the label of one point in each group, so steeply that it is
beyond ±1 at all other points, where a second clip makes it ±1. Of all teeth at a point
one says the label, and the others add up to 1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.dials import BookError

Array = NDArray[np.float64]
Layers = list[tuple[Array, Array]]  # weights (into, out of) and biases


class Memoriser(NamedTuple):
    direction: Array  # the line
    edges: Array  # where groups begin and end on it, one more than groups
    corners: Array  # of the zigzags at the edges: (groups + 1, teeth)

    def project(self, X: ArrayLike) -> Array:
        return np.asarray(X) @ self.direction

    def ramps(self, places: ArrayLike) -> Array:
        """The first layer at places on the line: each from −1 to 1 within its group."""
        left, right = self.edges[:-1], self.edges[1:]
        places = np.asarray(places)[..., None]
        return np.clip((2 * places - left - right) / (right - left), -1, 1)

    def zigzags(self, places: ArrayLike) -> Array:
        """What the second layer clips."""
        first, last = self.corners[0], self.corners[-1]
        slopes = np.diff(self.corners, axis=0) / 2
        return self.ramps(places) @ slopes + (first + last) / 2

    def teeth(self, places: ArrayLike) -> Array:
        return np.clip(self.zigzags(places), -1, 1)

    def outputs(self, X: ArrayLike) -> Array:
        return self.teeth(self.project(X)).sum(-1) - 1

    def layers(self, balanced: bool = False) -> Layers:
        """The same in ReLUs, as clip(z) = (z + 1)₊ − (z − 1)₊ − 1: two a ramp or tooth.

        Balanced, each hidden layer is divided by what the next is multiplied with, so
        that all three have the same norm.
        """
        width, middle = np.diff(self.edges), (self.edges[1:] + self.edges[:-1]) / 2
        slopes = np.diff(self.corners, axis=0) / 2
        into = 2 * self.direction[:, None] / width
        begin = -2 * middle / width
        shift = (self.corners[0] + self.corners[-1]) / 2 - slopes.sum(0)
        last = np.repeat([1.0, -1.0], slopes.shape[1])
        found = [
            (np.tile(into, 2), np.append(begin + 1, begin - 1)),
            (
                np.tile(np.concatenate([slopes, -slopes]), 2),
                np.append(shift + 1, shift - 1),
            ),
            (last[:, None], np.array([-slopes.shape[1] - 1.0])),
        ]
        return _balanced(found) if balanced else found


def memorise(
    X: ArrayLike, y: ArrayLike, groups: int, direction: ArrayLike
) -> Memoriser:
    """For labels in [−1, 1]; the examples are as many in each group, an even number.

    The network has 2 · groups and 2 · examples / groups neurons.
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    teeth, left_over = divmod(len(X), groups)
    if left_over or teeth % 2:
        raise BookError(
            f"{len(X)} examples do not make {groups} groups of an even size"
        )
    direction = np.asarray(direction, float)
    places = X @ direction
    order = np.argsort(places)
    places = places[order]
    if not (np.diff(places) > 0).all():
        raise BookError(
            "two examples have one place on the line: try another direction"
        )
    edges = _edges(places, groups)
    t = (2 * places.reshape(groups, teeth) - (edges[:-1] + edges[1:])[:, None]) / (
        np.diff(edges)[:, None]
    )
    return Memoriser(direction, edges, _corners(t, y[order].reshape(groups, teeth)))


def _edges(places: Array, groups: int) -> Array:
    """Half-way between the groups, and as far beyond the first and the last point."""
    table = places.reshape(groups, -1)
    between = (table[:-1, -1] + table[1:, 0]) / 2
    first = places[0] - (places[1] - places[0]) / 2
    last = places[-1] + (places[-1] - places[-2]) / 2
    return np.concatenate([[first], between, [last]])


def _corners(t: Array, y: Array) -> Array:
    """Each zigzag's corners, from where its points are in their groups, and the labels.

    Through its point of each group a zigzag is a line, whose two ends are corners: from
    the first corner follow all others, and the larger it is the steeper are all lines.
    """
    mirrored = np.arange(len(t))[:, None] % 2 == 1  # every other group backwards
    t, y = (np.where(mirrored, of[:, ::-1], of) for of in (t, y))
    alone, others = np.ones_like(t[:1]), np.zeros_like(t[:1])
    alone, others = [alone[0]], [others[0]]  # corner = alone · first corner + others
    for place, label in zip(t, y, strict=True):
        ratio = (place - 1) / (place + 1)
        alone.append(ratio * alone[-1])
        others.append(ratio * others[-1] + 2 * label / (place + 1))
    alone, others = np.array(alone), np.array(others)
    gap = np.diff(t, axis=1)
    gap = np.abs(gap)
    wide = np.full((len(t), 1), 2.0)
    nearest = np.minimum(np.hstack([wide, gap]), np.hstack([gap, wide]))
    rise, also = np.diff(alone, axis=0) / 2, np.diff(others, axis=0) / 2
    # |slope| · gap ≥ 2 carries it from a label in [−1, 1] beyond ±1 at the next point
    first = ((2 / nearest + np.abs(also)) / np.abs(rise)).max(0)
    first *= np.where(np.arange(t.shape[1]) % 2 == 0, -1, 1)
    return alone * first + others


def _balanced(layers: Layers) -> Layers:
    norms = [np.linalg.norm(W) for W, _ in layers]
    mean = np.prod(norms) ** (1 / len(norms))
    found, scale = [], 1.0
    for (W, b), norm in zip(layers, norms, strict=True):
        scale *= mean / norm
        found.append((W * (mean / norm), b * scale))
    return found


def relu_outputs(layers: Layers, X: ArrayLike) -> Array:
    """What a ReLU network says, one value an example."""
    values = np.asarray(X)
    for W, b in layers[:-1]:
        values = np.maximum(values @ W + b, 0)
    W, b = layers[-1]
    return (values @ W + b)[..., 0]


def operations(examples: int, groups: int, features: int) -> float:
    """What `memorise` and `layers` cost: sums, products and comparisons.

    To project, 2 a feature of each point; to sort, log₂ n comparisons a point; for a
    point's place in its group 3, for its gaps 3, for the lines through it and their
    steepness 18, for the weights it makes 4; and the first layer has its own weights.
    """
    each_point = 2 * features + np.log2(examples) + 28
    return examples * each_point + groups * (2 * features + 12)


def weights(examples: int, groups: int, features: int) -> int:
    """The number of weights and biases that `layers` holds."""
    first, second = 2 * groups, 2 * examples // groups
    return (features + 1) * first + (first + 1) * second + second + 1


def corners_by_systems(network: Memoriser, X: ArrayLike, y: ArrayLike) -> Array:
    """The corners once more, from a general linear system for each tooth."""
    places = network.project(X)
    order = np.argsort(places).reshape(len(network.edges) - 1, -1)
    order[1::2] = order[1::2, ::-1]
    left, right = network.edges[:-1, None], network.edges[1:, None]
    share = (places[order] - left) / (right - left)  # of the way through the group
    found = [network.corners[0]]
    for tooth, first in enumerate(network.corners[0]):
        way, wanted = share[:, tooth], np.asarray(y, float)[order[:, tooth]]
        system = np.diag(way) + np.diag(1 - way[1:], -1)
        wanted[0] -= (1 - way[0]) * first
        found.append(np.linalg.solve(system, wanted))
    return np.vstack([found[0], np.transpose(found[1:])])
