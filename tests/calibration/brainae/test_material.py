"""From the recordings of a recipe to what the experiments are given."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("skimage")

from calibration.brainae.material import fitted_to, material_of, parts_of, regions_of
from calibration.brainae.oracle import retrieval_ceiling
from calibration.brainae.pairs import Material
from calibration.calibrate import read_recordings
from calibration.papers.brainae import silence
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from streamkit.errors import ConfigError

FEW = {
    "groups.train.n_patches": 30,
    "groups.train.exemplars": 2,
    "groups.validation.n_patches": 4,
    "groups.test.n_patches": 8,
    "groups.test.exemplars": 3,
    "groups.test.repeats": 4,
}


def recipe_of(**changes: object) -> Recipe:
    """The small recipe on a small world."""
    recipe = load_recipe("brainae-eeg-small")
    options = {"world": "concepts", "set": FEW | changes}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"options": options})})


def material(**changes: object) -> Material:
    recipe = recipe_of(**changes)
    return material_of(recipe, read_recordings(recipe, None, Progress()))


@pytest.fixture(scope="module")
def whole() -> Material:
    return material()


def test_training_images_are_averaged_and_test_trials_are_single(whole: Material) -> None:
    assert whole.train.X.shape == (60, 34, 62)
    assert whole.validation is not None
    assert len(whole.validation) == 16
    assert (len(whole.test), whole.test.repeats()) == (32, 4)
    assert whole.sfreq == 125
    assert whole.simulated


def test_templates_can_be_made_of_images_nobody_saw(whole: Material) -> None:
    assert len(whole.gallery) == 24
    for concept in np.unique(whole.test.concept):
        own = whole.gallery.image[whole.gallery.concept == concept]
        assert len(own) == 3
        assert np.isin(own, whole.test.image).sum() == 1


def test_no_concept_is_trained_on_and_tested(whole: Material) -> None:
    assert not set(whole.train.concept) & set(whole.test.concept)


def test_features_are_those_of_the_image(whole: Material) -> None:
    same = whole.test.image == whole.test.image[0]
    assert (whole.test.features[same] == whole.test.features[0]).all()
    at = np.flatnonzero(whole.gallery.image == whole.test.image[0])
    assert (whole.gallery.features[at] == whole.test.features[0]).all()


def test_preprocessing_is_fitted_without_what_is_held_out() -> None:
    recipe = recipe_of()
    recordings = read_recordings(recipe, None, Progress())
    before = parts_of(recipe, recordings).preprocess
    for recording in recordings:
        if recording.meta.group != "train":
            recording.signals[0].data[:] *= 50
    assert parts_of(recipe, recordings).preprocess == before


def test_a_recipe_that_holds_nothing_out_is_refused() -> None:
    recipe = recipe_of()
    split = recipe.split.model_copy(update={"held_out": ()})
    with pytest.raises(ConfigError, match=r"split\.held_out names nothing"):
        material_of(recipe.model_copy(update={"split": split}), read_recordings(recipe, None, Progress()))


def test_regions_are_told_by_the_names_of_channels() -> None:
    found = regions_of(["Fp1", "AFz", "C3", "T7", "CPz", "P3", "Oz", "PO4", "M1"])
    visual = found.pop("visual")
    assert found == {"frontal": (0, 1), "central": (2, 3), "parietal": (4, 5), "occipital": (6, 7)}
    assert visual == (3, 4, 5, 6, 7)


def both(signal: float) -> tuple[Material, Material]:
    """Recorded and noise-free, processed alike."""
    recipe, quiet = recipe_of(**{"noise.signal": signal}), recipe_of(**silence(signal))
    recordings = read_recordings(recipe, None, Progress())
    alike = fitted_to(recipe, recordings)
    quiet = quiet.model_copy(update={"preprocess": alike.preprocess})
    return (
        material_of(alike, recordings, None, Progress()),
        material_of(quiet, read_recordings(quiet, None, Progress()), None, Progress()),
    )


def test_what_is_noise_free_is_processed_as_what_was_recorded() -> None:
    recorded, clean = both(4.0)
    a, b = recorded.test.by_image().X.ravel(), clean.test.by_image().X.ravel()
    assert (a @ b) / (b @ b) == pytest.approx(1, abs=0.1)


def test_the_oracle_knows_at_much_signal_and_guesses_without() -> None:
    (loud, clean), (nothing, silent) = both(4.0), both(0.0)
    top = retrieval_ceiling(loud.test, clean.test, loud.train, clean.train)[0]
    assert top.each.mean() > 0.8
    guess = retrieval_ceiling(nothing.test, silent.test, nothing.train, silent.train)[0]
    assert guess.chance == 1 / 8
    assert guess.each.mean() <= 3 / 8  # more of 8 come by chance once in 80 times
