"""The network whose readout says where voxels look."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.receptive_fields import ReceptiveFields, receptive_fields


def small(regions=(2, 3, 2), frames: int = 4, **args) -> ReceptiveFields:
    torch.manual_seed(0)
    return receptive_fields(regions, (1, frames, 16, 16), (3, 4, 5), (2, 2, 2), **args)


def test_every_area_reads_the_maps_of_its_own_layer() -> None:
    model = small()
    sides = [readout.sides for part in model.readouts for readout in part]
    assert sides == [(8, 8), (4, 4), (2, 2)]
    assert model(torch.rand(3, 1, 4, 16, 16)).shape == (3, 7)


def test_areas_beyond_the_last_layer_read_the_last() -> None:
    model = small((2, 2, 2, 2))
    assert [len(part) for part in model.readouts] == [1, 1, 2]


def test_weights_of_the_readout_are_never_negative() -> None:
    model = small((4,))
    readout = model.readouts[0][0]
    with torch.no_grad():
        readout.space.normal_()
        readout.time.normal_()
        readout.channel.normal_()
    maps = torch.rand(2, 3, 4, 8, 8)
    before, after = readout(maps), readout(maps + 0.5)
    assert (after >= before).all()


def test_the_centre_is_that_of_the_bright_places() -> None:
    readout = small((2,)).readouts[0][0]
    with torch.no_grad():
        readout.space.fill_(0.1)
        readout.space[0, 8 * 2 + 6] = 1.0
        readout.space[1, :2] = 1.0
    expected = [[2.5 / 8, 6.5 / 8], [0.5 / 8, 1 / 8]]
    np.testing.assert_allclose(readout.centres().numpy(), expected, atol=1e-6)


def test_frames_of_one_volume_are_averaged() -> None:
    assert small(frames=8, per_volume=4).readouts[0][0].time.shape == (2, 2)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"clip": (3, 4, 16, 16)}, r"expected \(1, n_frames, H, W\)"),
        ({"clip": (1, 4, 12, 16)}, "multiples of 8"),
        ({"per_volume": 3}, "in lots of 3"),
        ({"channels": (3, 4)}, "as many pools as channels"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_words(args: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        receptive_fields(**{"regions": (2, 2), "clip": (1, 4, 16, 16), **args})
