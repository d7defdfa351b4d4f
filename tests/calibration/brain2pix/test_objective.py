"""Losses, the discriminator's memory, and what features look through; weights at random where weights are needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from calibration.brain2pix.features import NONE, ORIENTED, VGG, Oriented, feature_term, gabors
from calibration.brain2pix.fit import adversaries, network_of
from calibration.brain2pix.objective import Adversaries, Losses, Past, columns
from calibration.brain2pix.retina import pixels_of
from calibration.brain2pix.settings import PUBLISHED, Brain2PixSettings
from calibration.training.batches import tensor_of
from streamkit.errors import BadInput
from tests.calibration.brain2pix.toy import SETTINGS, film


def pairs(start: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs whose every value is their number."""
    numbers = torch.arange(start, start + n, dtype=torch.float32)[:, None, None, None]
    return numbers.expand(n, 2, 4, 4), numbers.expand(n, 3, 4, 4)


def test_the_memory_gives_back_what_came_until_it_is_full() -> None:
    past = Past(5, 2, (3, 4, 4))
    for start in (0, 3):
        images, pictures = past.swap(*pairs(start, 3 if start == 0 else 2))
        assert (
            images[:, 0, 0, 0].tolist()
            == pictures[:, 0, 0, 0].tolist()
            == pairs(start, len(images))[0][:, 0, 0, 0].tolist()
        )
    assert int(past.held) == 5
    assert past.pictures[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_full_memory_gives_back_an_earlier_pair_half_of_the_time() -> None:
    torch.manual_seed(0)
    past, old, total = Past(50, 2, (3, 4, 4)), 0, 0
    for start in range(0, 2000, 10):
        images, pictures = past.swap(*pairs(start, 10))
        assert torch.equal(images[:, 0, 0, 0], pictures[:, 0, 0, 0])  # a picture never leaves its images
        if start >= 50:
            old += int((pictures[:, 0, 0, 0] < start).sum())
            total += 10
    assert old / total == pytest.approx(0.5, abs=0.05)
    assert torch.equal(past.images[:, 0, 0, 0], past.pictures[:, 0, 0, 0])


def test_without_a_memory_pairs_pass() -> None:
    images, pictures = Past(0, 2, (3, 4, 4)).swap(*pairs(7, 2))
    assert pictures[:, 0, 0, 0].tolist() == images[:, 0, 0, 0].tolist() == [7, 8]


def test_the_published_memory_and_weights_are_the_defaults() -> None:
    assert (PUBLISHED.history, PUBLISHED.adversarial, PUBLISHED.feature, PUBLISHED.pixel) == (50, 1, 100, 1)
    assert (PUBLISHED.lr, PUBLISHED.betas, PUBLISHED.batch_size) == (2e-4, (0.5, 0.999), 8)
    assert (PUBLISHED.features, PUBLISHED.vgg_normalise, PUBLISHED.axes) == ("vgg19", False, "row-column")
    assert PUBLISHED.scaling == "train"


def test_a_batch_of_one_is_refused_for_it_has_no_statistics() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        Brain2PixSettings(batch_size=1)


def made(settings: Brain2PixSettings) -> tuple[Adversaries, Losses, dict[str, torch.Tensor]]:
    movie = film(1)
    pair = adversaries(settings, network_of(settings, movie, pixels_of(movie)).build(0), movie)
    losses = Losses(tensor_of(movie.voxels), tensor_of(movie.frames), movie.n_lags, settings, feature_term(settings))
    batch = {name: torch.from_numpy(values[:6]) for name, values in columns(movie).items()}
    return pair, losses, batch


def test_the_generator_s_loss_is_the_weighted_sum_of_its_three() -> None:
    pair, losses, batch = made(SETTINGS)
    found = losses.painting(pair, batch)
    assert set(found) == {"loss", "adversarial", "feature", "pixel"}
    expected = found["adversarial"] + 100 * found["feature"] + found["pixel"]
    torch.testing.assert_close(found["loss"], expected)


def test_the_discriminator_is_half_wrong_about_painted_and_half_about_shown() -> None:
    pair, losses, batch = made(SETTINGS.but(history=0))
    pair.eval()
    found = losses.judging(pair, batch)["loss"]
    painted = losses.paint(pair, batch)
    logits = [pair.discriminator(painted.images, each) for each in (painted.picture, painted.shown)]
    wanted = [torch.zeros_like(logits[0]), torch.ones_like(logits[1])]
    parts = [binary_cross_entropy_with_logits(*each) for each in zip(logits, wanted, strict=True)]
    torch.testing.assert_close(found, 0.5 * sum(parts))


def test_the_discriminator_s_turn_leaves_the_painter_alone_and_the_painter_s_uses_the_same_picture() -> None:
    pair, losses, batch = made(SETTINGS)
    losses.judging(pair, batch)["loss"].backward()
    assert all(parameter.grad is None for parameter in pair.network.parameters())
    before = pair.network.generator.down[1][1].num_batches_tracked.item()
    losses.painting(pair, batch)["loss"].backward()
    assert pair.network.generator.down[1][1].num_batches_tracked.item() == before
    assert all(parameter.grad is not None for parameter in pair.network.parameters())


def test_what_is_learned_in_an_image_is_learned_from_the_painter_s_loss() -> None:
    pair, losses, batch = made(SETTINGS.but(network="learned"))
    losses.judging(pair, batch)["loss"].backward()
    assert all(parameter.grad is None for parameter in pair.network.readin.parameters())
    losses.painting(pair, batch)["loss"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in pair.network.readin.parameters())


def test_without_the_adversarial_loss_nobody_judges() -> None:
    pair, losses, batch = made(SETTINGS.but(adversarial=0.0))
    assert set(losses.turns()) == {"network"}
    assert "adversarial" not in losses.painting(pair, batch)
    assert list(made(SETTINGS)[1].turns()) == ["discriminator", "network"]


def test_a_network_without_images_is_judged_by_its_pictures() -> None:
    pair, losses, batch = made(SETTINGS.but(network="dense"))
    assert losses.paint(pair, batch).images.shape[1] == 0
    assert losses.judging(pair, batch)["loss"].isfinite()


def test_oriented_filters_see_edges_and_not_brightness() -> None:
    bank = gabors()
    assert bank.sum((1, 2, 3)).abs().max() < 1e-5
    torch.testing.assert_close(bank.abs().sum((1, 2, 3)), torch.full((8,), 2.0))
    flat, edge = torch.full((1, 3, 16, 16), 0.6), torch.zeros(1, 3, 16, 16)
    edge[..., 8:] = 1
    look = Oriented()
    assert look(flat)[0].abs().max() < 1e-5
    assert look(edge)[0].abs().max() > 0.3


def test_features_apart_are_zero_for_the_same_picture_and_have_a_gradient() -> None:
    term, shown = feature_term(SETTINGS), torch.rand(2, 3, 16, 16)
    assert float(term.apart(shown, shown)) == 0
    picture = torch.rand(2, 3, 16, 16, requires_grad=True)
    term.apart(picture, shown).backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


def test_without_weights_oriented_filters_take_the_place_of_vgg_and_the_result_says_so() -> None:
    term = feature_term(SETTINGS.but(features="vgg19"))
    assert term.name == ORIENTED
    assert "VGG-19 conv4_2 was not run: no weights were given (vgg19-dcbb9e9d.pth" in term.note
    assert feature_term(SETTINGS.but(features="none")).name == NONE


def test_weights_that_are_not_there_are_named() -> None:
    with pytest.raises(BadInput, match=r"nowhere\.pth of VGG-19 are no file"):
        feature_term(SETTINGS.but(features="vgg19", weights="nowhere.pth"))


@pytest.mark.slow
@pytest.mark.parametrize("normalise", [False, True])
def test_vgg_is_read_from_a_file_up_to_its_tenth_convolution(tmp_path, normalise: bool) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    whole = torchvision.models.vgg19(weights=None)  # weights at random
    whole.classifier = torch.nn.Sequential(torch.nn.Linear(2, 2))  # nothing reads it, and it is large
    file = tmp_path / "vgg19.pth"
    torch.save(whole.state_dict(), file)
    term = feature_term(SETTINGS.but(features="vgg19", weights=str(file), vgg_normalise=normalise))
    assert term.name == VGG
    pictures = torch.rand(1, 3, 16, 16)
    (found,) = term.look(pictures)
    large = torch.nn.functional.interpolate(pictures, (224, 224), mode="bilinear", align_corners=False)
    if normalise:
        mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        large = (large - mean) / std
    with torch.no_grad():
        torch.testing.assert_close(found, whole.features[:22](large))
    assert found.shape == (1, 512, 28, 28)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in whole.features[:22]) == 10
    assert not any(parameter.requires_grad for parameter in term.look.parameters())


def test_selection_watches_features_or_pixels_where_there_are_none() -> None:
    pair, losses, batch = made(SETTINGS)
    watched = losses.watching(pair, batch)
    assert watched["loss"] == losses.term.apart(*losses.paint(pair, batch)[1:])
    pair, losses, batch = made(SETTINGS.but(features="none"))
    watched = losses.watching(pair, batch)
    assert watched["loss"] == watched["pixel"] > 0


def test_places_of_columns_count_what_comes_before() -> None:
    movie = film(1)
    np.testing.assert_array_equal(columns(movie, 100, 20)["first"], movie.first + 100)
    np.testing.assert_array_equal(columns(movie, 100, 20)["frame"], movie.frame + 20)
