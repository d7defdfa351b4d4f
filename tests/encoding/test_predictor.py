"""A predictor says what the brain should do at a stimulus, the same each time, and keeps no more than it may."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamkit.encoding import predictor as module
from streamkit.errors import ConfigError
from tests.pictures import LABELS, N_CHANS, N_TIMES, bundle, response


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("encoding") / "bundle").path


def opened(path: Path) -> module.Predictor:
    from streamkit.bundle import load_bundle

    found = load_bundle(path).open_predictor("onnxruntime")
    assert found is not None
    return found


def test_it_predicts_what_the_graph_makes_of_the_features(made: Path) -> None:
    predictor = opened(made)
    for label in LABELS:
        epoch = predictor.predict(label)
        assert epoch.shape == (N_TIMES, N_CHANS)
        np.testing.assert_allclose(epoch, response(label), rtol=1e-5, atol=1e-5)
    assert predictor.choice.name == "onnxruntime"
    predictor.close()


def test_a_stimulus_shown_again_is_the_same_bits_and_not_computed_again(made: Path) -> None:
    predictor = opened(made)
    first = predictor.predict("bear")
    predictor.close()  # whatever is asked of the graph now fails
    assert predictor.predict("bear") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


def test_memory_is_bounded(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 2 * 4 * N_CHANS * N_TIMES)
    predictor = opened(made)
    kept = [predictor.predict(label) for label in LABELS]
    assert len(predictor._kept) == 2
    np.testing.assert_array_equal(predictor.predict(LABELS[0]), kept[0])
    predictor.close()


def test_an_unknown_stimulus_is_refused_by_name(made: Path) -> None:
    predictor = opened(made)
    with pytest.raises(ConfigError, match=r"'zebra'.*features of 7 others"):
        predictor.predict("zebra")
    predictor.close()
