"""Features of images, against their definition."""

import torch

from helpers.images.orientations import orientations


def test_a_ramp_rises_in_one_direction():
    ramp = torch.arange(8.0).repeat(8, 1)[None, None]
    found = orientations(ramp).reshape(8, 4, 4)
    middle = found[:, 1:3, 1:3]
    east, west, north_or_south = middle[0], middle[1], middle[2:4]
    assert torch.allclose(east, torch.full_like(east, 2**0.5))
    assert (west == 0).all()
    assert (north_or_south == 0).all()
    assert torch.allclose(middle[4], east)
    assert torch.allclose(middle[7], east)


def test_turning_the_image_turns_the_features():
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    plain, turned = orientations(image), orientations(image.mT)
    by_direction = plain.reshape(8, 4, 4)[[2, 3, 0, 1, 4, 5, 7, 6]].mT
    assert torch.allclose(turned.reshape(8, 4, 4), by_direction)
