import numpy as np
import pytest

from helpers.oracles import norms, separable
from helpers.problems import linear as problems
from helpers.problems import matrices

CLOUDS = problems.two_clouds(range(3), 20, 5, 3.0).X.numpy()
TAUGHT = matrices.rank_one_teacher(range(3), 15, 3, 4)[:, :, 0].numpy()
EXACT = {"l1": 1, "l2": 2, "linf": np.inf}


@pytest.mark.parametrize("norm", norms.DUAL)
def test_every_separator_is_certified(norm):
    Z = CLOUDS if norm in norms.VECTORS else TAUGHT
    best = norms.widest(Z, norm)
    np.testing.assert_allclose(norms.size(best.W, norm), 1)
    np.testing.assert_allclose(best.mixture.sum(-1), 1)
    assert best.mixture.min() >= 0
    assert best.excess.min() > -1e-12
    assert best.excess.max() < 1e-6


@pytest.mark.parametrize("norm", EXACT)
def test_in_the_plane_it_is_the_best_of_all_directions(norm):
    Z = problems.two_clouds(range(3), 8, 2, 4.0).X.numpy()
    turns = np.linspace(0, 2 * np.pi, 20_001)
    w = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    each = (w @ Z.swapaxes(1, 2)).min(-1)
    most = (each / np.linalg.norm(w, EXACT[norm], axis=-1)).max(-1)
    np.testing.assert_allclose(norms.widest(Z, norm).margin, most, rtol=1e-3)


def test_vectors_agree_with_the_separators_that_are_there():
    svm = separable.maximum_margin(CLOUDS)
    np.testing.assert_allclose(norms.widest(CLOUDS, "l2").margin, svm.margin)
    box = separable.margin(CLOUDS, separable.box_separator(CLOUDS), np.inf)
    np.testing.assert_allclose(norms.widest(CLOUDS, "linf").margin, box)


@pytest.mark.parametrize(
    ("of_matrix", "of_vector"),
    [("nuclear", "l1"), ("frobenius", "l2"), ("spectral", "linf")],
)
def test_diagonal_examples_are_vectors(of_matrix, of_vector):
    Z = problems.two_clouds(range(3), 12, 3, 3.0).X.numpy()
    diagonal = Z[..., None] * np.eye(3)
    found = norms.widest(diagonal, of_matrix)
    np.testing.assert_allclose(found.margin, norms.widest(Z, of_vector).margin)


@pytest.mark.parametrize("norm", norms.DUAL)
def test_a_norm_and_its_dual(norm):
    """Hölder's inequality, and that nothing smaller would do."""
    shape = (500, 4) if norm in norms.VECTORS else (500, 3, 4)
    a, b = np.random.default_rng(0).normal(size=(2, *shape))
    inner = (a * b).reshape(500, -1).sum(-1)
    bound = norms.size(a, norm) * norms.size(b, norms.DUAL[norm])
    assert (inner <= bound).all()
    assert (inner / bound).max() > 0.7


def test_margins_of_a_stack():
    W = np.random.default_rng(0).normal(size=(2, 3, 3, 4))
    by_hand = (TAUGHT[1] * W[1, 1]).sum((1, 2)).min() / np.linalg.norm(W[1, 1], 2)
    np.testing.assert_allclose(norms.margin(TAUGHT, W, "spectral")[1, 1], by_hand)
