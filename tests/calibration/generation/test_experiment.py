"""The experiment on image generation, on a toy (simulated)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibration.brainae.plan import Plan
from calibration.brainae.trained import Trained
from calibration.generation import PriorSettings, experiment
from calibration.generation.experiment import SMALL, drawn_features, generation, scored
from tests.calibration.brainae.toy import DRAWS, SETTINGS, fitted, toy

pytestmark = pytest.mark.slow


def quick(epochs: int) -> PriorSettings:
    """Batches that fit the toy's 480 pairs."""
    return SMALL.model_copy(update={"loop": SMALL.loop.model_copy(update={"epochs": epochs, "batch_size": 48})})


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "SMALL", quick(10))
        return generation(Trained(toy()), SETTINGS, (0, 1), Plan(bootstrap=50, permutations=50))


def test_what_the_prior_draws_is_scored_beside_the_embedding_with_chance_and_interval(table):
    lines = {(line["row"], line["metric"]): line for line in table.rows}
    for metric in ("retrieval top-1", "cosine to the image's features"):
        for label in ("embedding", "prior"):
            line = lines[label, metric]
            assert line["ci95"][0] <= line["value"] <= line["ci95"][1]
            assert line["seeds"] == 2
        assert lines["embedding", metric]["value"] > lines["embedding", metric]["chance"]
        assert lines["prior - embedding", f"{metric}, difference"]["chance"] == 0
    # That a prior learns what it is given, test_prior.py shows; 480 pairs teach this one nothing to speak of.
    assert 0 < lines["prior", "retrieval top-1"]["p"] <= 1
    json.dumps(table.rows, allow_nan=False)


def test_nothing_is_painted_and_eight_lines_say_so(table):
    painted = [line for line in table.rows if line["row"] == "painted"]
    assert len(painted) == 8
    for line in painted:
        assert line["value"] is None
        assert line["note"].startswith("not run: painting needs the weights")


def test_with_conditions_that_say_nothing_the_prior_is_at_chance():
    model, material = fitted(), toy()
    test = material.test.by_image()
    rng = np.random.default_rng(0)
    blind = type(material.train)(
        rng.permutation(material.train.X), material.train.features, material.train.image, material.train.concept
    )
    drawn = drawn_features(model, blind, test, quick(10), {"widths": (64, 32)})
    top = scored(model, drawn, test, DRAWS)[0]
    assert abs(top.each.mean() - top.chance) < 4 * np.sqrt(top.chance * (1 - top.chance) / len(top.each))
