"""Networks are the published ones, drawn by their seed, at any width."""

import pytest
import torch
from torch import nn

from helpers import networks
from helpers.dials import BookError

PUBLISHED = {
    "vgg16": 14_728_266,
    "resnet18": 11_173_962,
    "resnet50": 23_520_842,
    "densenet40": 176_122,
}


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_parameter_counts_are_the_published_ones(name, count):
    assert networks.parameters(networks.build(name)) == count


def test_the_small_ones_are_counted_by_hand():
    mlp = networks.build("mlp", inputs=(192,), outputs=1)
    assert networks.parameters(mlp) == 192 * 100 + 100 + 100 * 100 + 100 + 100 + 1
    shallow = networks.build("shallow", inputs=(192,), outputs=1)
    assert networks.parameters(shallow) == 192 * 100 + 100 + 100 + 1
    assert networks.parameters(networks.build("resnet8")) == 78_042


def test_zhang_and_co_authors_networks_have_the_weights_that_they_count():
    assert networks.parameters(networks.fully_connected(1)) == 1_209_866
    assert networks.parameters(networks.fully_connected(3)) == 1_735_178
    inception = networks.small_inception()
    gains = [m for m in inception.modules() if isinstance(m, nn.BatchNorm2d)]
    own = networks.parameters(inception) - sum(m.num_features for m in gains)
    assert own == 1_649_402  # their normalisation has no gain


@pytest.mark.parametrize("width", [12, 24])
def test_a_narrow_inception_takes_other_images(width):
    shape = {"inputs": (1, 8, 8), "outputs": 3, "width": width}
    network = networks.small_inception(**shape, seed=1)
    again = networks.small_inception(**shape, seed=1)
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 3)
    assert torch.equal(network[0][0].weight, again[0][0].weight)


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("norm", networks.NORMS)
def test_every_network_takes_every_size(name, norm):
    network = networks.build(name, inputs=(1, 8, 8), outputs=3, width=4, norm=norm)
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 3)
    kinds = {type(part) for part in network.modules()}
    normalised = name not in ("mlp", "shallow")
    assert (nn.BatchNorm2d in kinds) == (norm == "batch" and normalised)
    assert (nn.GroupNorm in kinds) == (norm == "group" and normalised)


def test_one_output_is_a_value_an_image():
    network = networks.build("resnet8", outputs=1, width=4)
    assert network(torch.randn(5, 3, 32, 32)).shape == (5,)


def test_a_seed_fixes_the_weights_and_leaves_other_randomness_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again = (networks.build("resnet8", width=4, seed=1) for _ in range(2))
    other = networks.build("resnet8", width=4, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(first.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(*pair) for pair in pairs)
    assert not torch.equal(first[0].weight, other[0].weight)


def test_building_leaves_no_trace_in_batch_norm():
    network = networks.build("resnet8", width=4)
    counts = [b for name, b in network.named_buffers() if "num_batches" in name]
    assert all(count == 0 for count in counts)
    assert all(part.training for part in network.modules())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"name": "resnet1"}, "no network 'resnet1': choose mlp"),
        ({"name": "mlp", "norm": "layer"}, "no normalisation 'layer': choose batch"),
    ],
)
def test_an_unknown_name_is_one_line(how, message):
    with pytest.raises(BookError, match=message):
        networks.build(**how)
