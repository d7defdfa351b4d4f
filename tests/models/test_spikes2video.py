"""Spikes to video: exactly the published networks, and a streaming form that agrees with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.export import check_export, export_graph, run_torch
from calibration.spikes2video.settings import SMALL
from models.spikes2video import POOLS, Sheet, spikes2video, spikes2video_inverse
from models.spikes2video_baselines import spikes2video_mlp, spikes2video_shallow
from models.spikes2video_streaming import needed, spikes2video_streaming
from models.table import n_parameters

CLIP = (3, 45, 32, 32)
SMALL_CLIP = (3, 45, 16, 16)
NARROW = {"hidden": 6, "base": 2, "kernels": (3, 3, 3, 3)}


def published(builder, n_sites: int = 140, out_shape=CLIP, **args):
    with torch.device("meta"):
        return builder(n_sites, 45, out_shape, 10.0, **args)


def seeded(builder, n_sites: int = 5, out_shape=SMALL_CLIP, **args) -> torch.nn.Module:
    """A small network whose batch normalisations have seen something."""
    torch.manual_seed(0)
    model = builder(n_sites, 45, out_shape, 10.0, **args)
    for _ in range(3):
        model(torch.randn(4, n_sites, 45))
    return model.eval()


@pytest.mark.parametrize(("n_sites", "count"), [(140, 3_554_915), (10, 3_488_355), (20, 3_493_475), (30, 3_498_595)])
def test_the_u_net_has_exactly_the_published_number_of_parameters(n_sites: int, count: int) -> None:
    assert n_parameters(published(spikes2video, n_sites)) == count


def test_a_batch_normalisation_per_unit_would_have_more() -> None:
    assert n_parameters(published(spikes2video, norm="unit")) == 3_555_849
    assert n_parameters(published(spikes2video_streaming, out_shape=(3, 32, 32))) == 3_555_849


def test_the_baselines_and_the_inverse_have_exactly_the_published_numbers() -> None:
    assert n_parameters(published(spikes2video_mlp)) == 3_746_484
    assert n_parameters(published(spikes2video_shallow)) == 602_115
    with torch.device("meta"):
        assert n_parameters(spikes2video_inverse(140, 45, CLIP)) == 3_551_983


def still(model: torch.nn.Module) -> list[int]:
    """Frames that are the one before them once more, whatever the spikes."""
    with torch.inference_mode():
        clips = model(torch.randn(4, 5, 45))
    steps = (clips[:, :, 1:] - clips[:, :, :-1]).abs().amax((0, 1, 3, 4))
    return (torch.nonzero(steps < 1e-6).flatten() + 1).tolist()


def test_nine_frames_in_the_middle_of_a_published_clip_are_one_and_the_same() -> None:
    """All time passes one frame; what tells the frames apart on the way up is how near the ends they are."""
    assert still(seeded(spikes2video, hidden=6, base=2)) == list(range(19, 27))


def test_every_frame_of_the_small_network_is_its_own() -> None:
    sizes = {"hidden": 6, "base": 2, "pools": SMALL.pools}
    assert still(seeded(spikes2video, kernels=SMALL.kernels, **sizes)) == []
    assert still(seeded(spikes2video, kernels=(3, 3, 3, 3), **sizes)) == list(range(14, 32))


def test_every_block_has_the_published_shape() -> None:
    model, x = published(spikes2video).eval(), torch.empty(2, 140, 45, device="meta")
    shapes = []
    for block in (*model.contract, *model.expand):
        block.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[1:])))
    assert model(x).shape == (2, *CLIP)
    down = [(32, 15, 16, 16), (64, 5, 8, 8), (128, 1, 4, 4), (128, 1, 2, 2)]
    assert shapes == [*down, *down[-2::-1], CLIP]
    assert model.latent(x).shape == (2, 512)


def test_the_spike_decoder_normalises_every_bin_and_nothing_else() -> None:
    norms = [m for m in published(spikes2video).spikes.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert [norm.num_features for norm in norms] == [45]


def test_no_skip_connection_goes_around_the_bottleneck() -> None:
    model = seeded(spikes2video, **NARROW)
    x = torch.randn(2, 5, 45)
    latent = model.contract(model.spikes(x.transpose(1, 2)))
    expected = (model.expand(latent).tanh() + 1) / 2
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("builder", [spikes2video, spikes2video_mlp, spikes2video_shallow])
def test_clips_are_between_black_and_white(builder) -> None:
    clip = seeded(builder)(10 * torch.randn(2, 5, 45))
    assert clip.shape == (2, *SMALL_CLIP)
    assert clip.min() >= 0
    assert clip.max() <= 1


def test_the_baselines_answer_every_bin_from_that_bin_alone() -> None:
    x = torch.randn(1, 5, 45)
    other = x.clone()
    other[:, :, 20] += 1
    for builder in (spikes2video_mlp, spikes2video_shallow):
        model = seeded(builder)
        apart = (model(x) - model(other)).abs().amax((0, 1, 3, 4))
        assert apart[20] > 0
        assert apart[:20].max() == apart[21:].max() == 0


def test_the_inverse_is_not_squashed_and_gives_counts_of_every_site_and_bin() -> None:
    torch.manual_seed(0)
    model = spikes2video_inverse(7, 45, SMALL_CLIP, **NARROW)
    counts = model(torch.rand(3, *SMALL_CLIP))
    assert counts.shape == (3, 7, 45)
    assert counts.min() < 0 < counts.max()


def test_the_last_frame_is_that_of_the_whole_clip() -> None:
    for kernels in ((7, 5, 3, 3), (3, 3, 3, 3), (5, 7, 5, 3)):
        model = seeded(spikes2video_streaming, out_shape=(3, 16, 16), hidden=6, base=2, kernels=kernels)
        x = torch.randn(3, 5, 45)
        with torch.no_grad():
            torch.testing.assert_close(model(x), model.clip(x)[:, :, -1])


def test_only_the_frames_that_the_last_one_needs_are_worked_out() -> None:
    assert needed([pool[0] for pool in POOLS], (7, 5, 3, 3)) == [2, 1, 2, 2]


def test_streaming_does_not_know_which_bin_of_the_trial_it_is() -> None:
    norms = [m for m in published(spikes2video_streaming, out_shape=(3, 32, 32)).network.spikes.modules()]
    assert [m.num_features for m in norms if isinstance(m, torch.nn.BatchNorm1d)] == [512]


def test_a_sheet_holds_all_frames_row_by_row() -> None:
    clip = torch.arange(6, dtype=torch.float32).reshape(1, 1, 6, 1, 1).expand(1, 3, 6, 2, 2)
    sheet = Sheet(2, 3)(clip)
    assert sheet.shape == (1, 3, 4, 6)
    assert sheet[0, 0, ::2, ::2].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_network_with_a_sheet_says_the_same_as_one_without() -> None:
    x = torch.randn(2, 5, 45)
    plain = seeded(spikes2video, **NARROW)
    laid_out = seeded(spikes2video, out_shape=(3, 5 * 16, 9 * 16), sheet=(5, 9), **NARROW)
    torch.testing.assert_close(Sheet(5, 9)(plain(x)), laid_out(x))


@pytest.mark.parametrize(
    ("builder", "args", "said"),
    [
        (spikes2video, {"out_shape": (3, 44, 32, 32)}, r"a frame for every bin"),
        (spikes2video, {"out_shape": (3, 45, 30, 32)}, r"30 x 32: change pools, or the clip"),
        (spikes2video, {"out_shape": (3, 32, 32)}, r"give sheet=\(rows, columns\)"),
        (spikes2video, {"out_shape": (3, 64, 64), "sheet": (4, 9)}, r"rows x columns = 45"),
        (spikes2video, {"kernels": (4, 3, 3, 3)}, r"kernels odd"),
        (spikes2video, {"norm": "layer"}, r"expected 'bin' \(as published\) or 'unit'"),
        (spikes2video_shallow, {"out_shape": (3, 45, 30, 30)}, r"multiples of 4"),
        (spikes2video_streaming, {"out_shape": CLIP}, r"expected \(C, H, W\) of one frame"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_words(builder, args: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        published(builder, **args)


@pytest.mark.slow
@pytest.mark.parametrize("builder", [spikes2video, spikes2video_mlp, spikes2video_shallow, spikes2video_streaming])
def test_full_size_networks_export_with_a_free_batch(builder) -> None:
    shape = (3, 32, 32) if builder is spikes2video_streaming else CLIP
    torch.manual_seed(0)
    model = builder(140, 45, shape, 10.0).eval()
    x = np.random.default_rng(0).standard_normal((3, 140, 45), np.float32)
    assert check_export(export_graph(model, x), x, run_torch(model, x)) <= 1e-4
