"""The construction in fractions, from its description; and what it costs, counted."""

from fractions import Fraction

import numpy as np
import pytest

from helpers.dials import BookError
from helpers.oracles import memoriser


def problem(examples=24, features=3, seed=0, signs=False):
    draw = np.random.default_rng(seed)
    X, line = draw.normal(size=(examples, features)), draw.normal(size=features)
    y = draw.choice([-1.0, 1.0], examples) if signs else draw.uniform(-1, 1, examples)
    return X, y, line


def exactly(values):
    return [Fraction(float(value)) for value in values]


def clip(value):
    return max(Fraction(-1), min(Fraction(1), value))


def answer_in_fractions(groups, edges, corners, place):
    """Interpolate each tooth's corners at the place, clip, add up: without layers."""
    if place <= edges[0]:
        values = corners[0]
    elif place >= edges[-1]:
        values = corners[-1]
    else:
        g = max(k for k in range(groups) if edges[k] <= place)
        share = (place - edges[g]) / (edges[g + 1] - edges[g])
        values = [
            a + share * (b - a) for a, b in zip(corners[g], corners[g + 1], strict=True)
        ]
    return sum(map(clip, values)) - 1


def corners_in_fractions(groups, edges, places, labels, first):
    """Each next corner from the line through the last one and the tooth's point."""
    teeth = len(places) // groups
    found = [first]
    for g in range(groups):
        row = []
        for k in range(teeth):
            at = g * teeth + (k if g % 2 == 0 else teeth - 1 - k)
            share = (places[at] - edges[g]) / (edges[g + 1] - edges[g])
            row.append(found[-1][k] + (labels[at] - found[-1][k]) / share)
        found.append(row)
    return found


@pytest.mark.parametrize("groups", [2, 3, 4, 6, 12])
def test_in_exact_arithmetic_every_label_is_met(groups):
    X, y, line = problem()
    network = memoriser.memorise(X, y, groups, line)
    order = np.argsort(X @ line)
    places, labels = exactly((X @ line)[order]), exactly(y[order])
    edges = exactly(network.edges)
    corners = corners_in_fractions(
        groups, edges, places, labels, exactly(network.corners[0])
    )
    assert np.allclose(
        np.array(corners, dtype=float), network.corners, rtol=1e-9, atol=1e-9
    )
    for place, label in zip(places, labels, strict=True):
        assert answer_in_fractions(groups, edges, corners, place) == label


def test_of_all_teeth_one_says_the_label_and_the_others_are_at_one():
    X, y, line = problem()
    network = memoriser.memorise(X, y, 4, line)
    teeth = network.zigzags(network.project(X))
    spoken = np.abs(teeth - y[:, None]) < 1e-6
    assert (spoken.sum(1) == 1).all()
    assert (np.abs(teeth[~spoken]) >= 1 - 1e-9).all()


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_relu_network_says_the_same(signs, balanced):
    X, y, line = problem(100, 5, signs=signs)
    network = memoriser.memorise(X, y, 10, line)
    layers = network.layers(balanced)
    new = np.random.default_rng(1).normal(size=(200, 5))
    for at in (X, new):
        found = memoriser.relu_outputs(layers, at)
        assert np.allclose(found, network.outputs(at), atol=1e-8)
    assert np.abs(memoriser.relu_outputs(layers, X) - y).max() < 1e-8
    assert [W.shape for W, _ in layers] == [(5, 20), (20, 20), (20, 1)]


def test_balanced_layers_have_one_norm():
    norms = [np.linalg.norm(W) for W, _ in memoriser.memorise(*fit()).layers(True)]
    assert np.allclose(norms, norms[0])


def fit():
    X, y, line = problem(100, 5)
    return X, y, 10, line


def test_the_corners_solve_their_systems():
    X, y, _, _ = fit()
    network = memoriser.memorise(*fit())
    found = memoriser.corners_by_systems(network, X, y)
    assert np.allclose(found, network.corners, rtol=1e-6)


def test_weights_are_counted():
    layers = memoriser.memorise(*fit()).layers()
    total = sum(W.size + b.size for W, b in layers)
    assert memoriser.weights(100, 10, 5) == total
    assert memoriser.weights(2500, 50, 100) == 20_301  # 4n + (2d + 6)√n + 1


def test_operations_are_dominated_by_the_projection():
    """Twice as many features: twice the products, and nothing else."""
    few, many = (memoriser.operations(10_000, 100, d) for d in (1000, 2000))
    assert many - few == 2 * 1000 * 10_000 + 100 * 2000


def test_what_cannot_be_cut_or_told_apart_is_refused():
    X, y, line = problem(24)
    for groups in (5, 8):  # not a divisor; groups of three
        with pytest.raises(BookError, match="of an even size"):
            memoriser.memorise(X, y, groups, line)
    X[1] = X[0]
    with pytest.raises(BookError, match="another direction"):
        memoriser.memorise(X, y, 4, line)
