"""Models that are trained once, and kept for who comes later: in memory, and in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from calibration.brain2pix.trained import Trained as OfBrain2Pix
from calibration.brainae.trained import Trained as OfBrainAE
from calibration.image2ecog.trained import Trained as OfImage2Ecog
from calibration.mouse_v1.trained import Trained as OfMouseV1
from calibration.spikes2video.trained import Trained as OfSpikes2Video
from calibration.training import loop
from calibration.training.kept import fingerprint
from tests.calibration.brain2pix import toy as films
from tests.calibration.brainae import toy as eeg
from tests.calibration.image2ecog import toy as people
from tests.calibration.mouse_v1 import mice
from tests.calibration.spikes2video import test_experiments as dots


def spikes2video(resume: Path) -> list[Any]:
    trained = OfSpikes2Video(replace(dots.population()), resume=resume)
    return trained.all([dots.QUICK, dots.QUICK.but(network="inverse")], (0,))


def brain2pix(resume: Path) -> list[Any]:
    settings = films.SETTINGS.but(widths=(4, 8), d_widths=(4, 8), batch_size=24, epochs=1)
    return OfBrain2Pix(films.material(), resume=resume).of(settings, (0, 1))


def brainae(resume: Path) -> list[Any]:
    settings = eeg.SETTINGS.but(embedding=32, filters=4, epochs=1)
    return OfBrainAE(eeg.world(n_features=32), resume=resume).of(settings, (0, 1))


def mouse_v1(resume: Path) -> list[Any]:
    made = (mice.material(), mice.ENCODER.but(epochs=1), mice.MEIS, mice.INVERSION, mice.SEARCH)
    trained = OfMouseV1(*made, resume=resume)
    return trained.all([mice.TOY_CNN.but(epochs=1), mice.TOY_GAN.but(epochs=1)], (0,))


def image2ecog(resume: Path) -> list[Any]:
    settings = people.SETTINGS.but(model="classification-regressor", epochs=1, classifier_epochs=1)
    return OfImage2Ecog(people.people(), resume=resume).of([("s0", settings), ("s1", settings)])


PAPERS = (spikes2video, brain2pix, brainae, mouse_v1, image2ecog)


def seconds(found: Any) -> list[float]:
    return [s for each in found for s in seconds(each)] if isinstance(found, list) else [found.history.seconds]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("train", PAPERS, ids=lambda train: train.__name__)
def test_what_is_finished_is_not_trained_again_by_who_comes_later(
    train: Callable[[Path], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = seconds(train(tmp_path))
    folders = sorted(tmp_path.iterdir())
    assert len(folders) >= len(first)
    monkeypatch.setattr(loop, "clip", lambda *_: pytest.fail("a step of a training that was finished"))
    assert seconds(train(tmp_path)) == first
    assert sorted(tmp_path.iterdir()) == folders


def test_other_data_settings_and_seeds_are_other_trainings(tmp_path: Path) -> None:
    population = dots.population()
    OfSpikes2Video(population, resume=tmp_path).of(dots.QUICK, (0,))
    OfSpikes2Video(population, resume=tmp_path).of(dots.QUICK, (1,))
    OfSpikes2Video(population, resume=tmp_path).of(dots.QUICK.but(loss="paper"), (0,))
    other = replace(population, train=replace(population.train, X=population.train.X + 1))
    OfSpikes2Video(other, resume=tmp_path).of(dots.QUICK, (0,))
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_side_by_side_they_are_kept_as_in_turn(tmp_path: Path) -> None:
    here = OfSpikes2Video(dots.population(), resume=tmp_path).of(dots.QUICK, (0, 1))
    aside = OfSpikes2Video(dots.population(), scheduler="local", workers=2, resume=tmp_path).of(dots.QUICK, (0, 1))
    assert len(list(tmp_path.iterdir())) == 2
    assert seconds(here) == seconds(aside)
    for one, other in zip(here, aside, strict=True):
        np.testing.assert_array_equal(one.predict(dots.population().test.X), other.predict(dots.population().test.X))


@dataclass(frozen=True)
class Thing:
    values: np.ndarray
    name: str

    @cached_property
    def total(self) -> float:
        return float(self.values.sum())


def test_a_fingerprint_is_of_contents_and_not_of_what_was_worked_out_meanwhile() -> None:
    one, same = (Thing(np.arange(3.0), "a") for _ in range(2))
    before = fingerprint(one)
    assert one.total == 3
    assert fingerprint(one) == fingerprint(same) == before
    assert len({fingerprint(each) for each in (one, Thing(np.arange(4.0), "a"), Thing(np.arange(3.0), "b"))}) == 3
    assert fingerprint({"a": [one]}) != fingerprint({"b": [one]})
