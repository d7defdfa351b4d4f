"""Cue, colour and motion of clips, against counting by hand and against clips that say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.metrics import Draws, pearson
from calibration.spikes2video.content import (
    COLOUR,
    CONTENT,
    COSINE,
    CUE,
    DIRECTION,
    LEVELS,
    Scenes,
    content,
    dot_colours,
    items_of,
    table_of,
)
from tests.calibration.spikes2video.clips import SIZE, STAGES, trials

RNG = np.random.default_rng(0)
DRAWS = Draws(50, 200, 0)
WITHOUT_FLOW = (CUE, COLOUR, COSINE)


def test_perfect_clips_score_as_high_as_can_be_at_either_level() -> None:
    pytest.importorskip("cv2", reason="not run: OpenCV is not installed")
    shown = trials()
    for level in LEVELS:
        found = content(Scenes.of(shown.video, shown).at(level), DRAWS)
        assert tuple(found) == CONTENT
        for metric in WITHOUT_FLOW:
            np.testing.assert_allclose(found[metric].each, 1.0, atol=1e-6)
            assert found[metric].chance < 0.99
        assert found[DIRECTION].each.max() < 15
        assert found[DIRECTION].lower
        assert found[DIRECTION].chance == pytest.approx(30, abs=8)  # two directions, 60 degrees apart


def test_every_condition_has_one_number_and_levels_are_paired() -> None:
    shown = trials()
    seen = shown.video + RNG.normal(0, 0.2, shown.video.shape)
    means, singles = (content(Scenes.of(seen, shown).at(level), DRAWS, WITHOUT_FLOW) for level in LEVELS)
    for metric in WITHOUT_FLOW:
        assert means[metric].each.shape == singles[metric].each.shape == (8,)
    assert (means[CUE].each > singles[CUE].each).all()


def test_cue_r_is_the_correlation_of_the_pixels_of_the_cue() -> None:
    shown = trials()
    seen = shown.video + RNG.normal(0, 0.3, shown.video.shape)
    each = content(Scenes.of(seen, shown).at("single trials"), DRAWS, (CUE,))[CUE].each
    at = STAGES.frames("cue")
    by_hand = [pearson(a[:, at].ravel(), b[:, at].ravel()) for a, b in zip(seen, shown.video, strict=True)]
    np.testing.assert_allclose(each, np.reshape(by_hand, (8, 4)).mean(1))


def test_colour_is_taken_where_the_quarters_cross() -> None:
    clips = np.zeros((1, 3, STAGES.n_frames, SIZE, SIZE))
    for row in (SIZE // 2, 3 * SIZE // 4):
        for column in (SIZE // 2, 3 * SIZE // 4):
            clips[0, :, STAGES.frames("stimulus"), row, column] = [[0.1], [0.2], [0.3]]
    np.testing.assert_allclose(dot_colours(clips, STAGES), np.repeat([[0.1, 0.2, 0.3]], 4, axis=1))
    assert dot_colours(clips[:, :, :, ::-1], STAGES).sum() < 2  # the other corner's points are elsewhere


def test_frames_of_another_stage_change_nothing() -> None:
    shown = trials()
    seen = shown.video.copy()
    seen[:, :, STAGES.frames("fixation")] = 0
    seen[:, :, STAGES.frames("stimulus")] = RNG.random(seen[:, :, STAGES.frames("stimulus")].shape)
    assert content(Scenes.of(seen, shown), DRAWS, (CUE,))[CUE].each.min() > 0.999


def test_clips_of_shuffled_conditions_are_at_chance() -> None:
    shown = trials()
    order = RNG.permutation(8)
    while (order == np.arange(8)).any():
        order = RNG.permutation(8)
    seen = shown.videos[order][shown.condition] / np.float32(255)
    for items in content(Scenes.of(seen, shown), DRAWS, WITHOUT_FLOW).values():
        low, high = np.percentile(items.null, (0.5, 99.5))
        assert low - 1e-9 <= items.each.mean() <= high + 1e-9
        assert items.null.mean() == pytest.approx(items.chance, abs=4 * items.null.std() / np.sqrt(200) + 1e-9)


def test_chance_is_that_of_a_condition_drawn_by_lot() -> None:
    table = RNG.random((6, 6))
    items = items_of(CUE, table, Draws(10, 4000, 0))
    assert items.chance == pytest.approx(table.mean())
    assert items.null.mean() == pytest.approx(table.mean(), abs=0.01)
    part = items_of(CUE, table, DRAWS, np.arange(6) < 2)
    np.testing.assert_array_equal(part.each, np.diag(table)[:2])
    assert part.chance == pytest.approx(table[:2].mean())


def test_a_constant_reconstruction_has_no_correlation() -> None:
    shown = trials()
    found = content(Scenes.of(np.full_like(shown.video, 0.5), shown), DRAWS, WITHOUT_FLOW)
    assert np.isnan(found[CUE].each).all()
    assert np.isnan(found[COLOUR].each).all()
    assert np.isfinite(found[COSINE].each).all()


def test_conditions_of_fewer_trials_count_each_of_them_once() -> None:
    shown = trials()
    kept = np.ones(len(shown), bool)
    kept[1:4] = False  # condition 0 keeps a single trial
    some = shown[kept]
    seen = some.video + RNG.normal(0, 0.3, some.video.shape)
    table = table_of(CUE, Scenes.of(seen, some))
    alone = table_of(CUE, Scenes.of(seen[:1], some[:1]))
    assert table.shape == (8, 8)
    assert table[0, 0] == pytest.approx(alone[0, 0])


def test_means_of_some_trials_never_share_one() -> None:
    shown = trials()
    seen = RNG.random(shown.video.shape)
    pairs = Scenes.of(seen, shown).averaged(2)
    np.testing.assert_array_equal(pairs.condition, np.repeat(np.arange(8), 2))
    np.testing.assert_allclose(pairs.seen[:2], [seen[:2].mean(0), seen[2:4].mean(0)])
    np.testing.assert_allclose(Scenes.of(seen, shown).averaged(4).seen, Scenes.of(seen, shown).means().seen)
    assert len(Scenes.of(seen, shown).averaged(3).seen) == 8
