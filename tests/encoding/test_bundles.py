"""A bundle whose encoding or gallery does not fit is refused when it is written, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from streamkit.bundle import EncodingSpec, GraphFiles, load_bundle, write_bundle
from streamkit.errors import BundleError
from streamkit.inference.runners import RunnerConfig
from streamkit.types import OutputSpec
from tests import pictures
from tests.pictures import FEATURES, GALLERY, LABELS, N_TIMES, decoder_onnx, encoder_onnx, parts


def refusal(path: Path, given: dict[str, Any]) -> str:
    with pytest.raises(BundleError) as refused:
        write_bundle(path / "bundle", **given)
    assert not (path / "bundle").exists()
    return str(refused.value)


def test_a_bundle_that_fits_is_read_back_whole(tmp_path: Path) -> None:
    pictures.bundle(tmp_path / "bundle")
    found = load_bundle(tmp_path / "bundle")
    assert found.contract.encoding == EncodingSpec(labels=LABELS, n_times=N_TIMES)
    np.testing.assert_array_equal(found.gallery(), GALLERY)


def test_a_bundle_that_only_decodes_has_neither(tmp_path: Path) -> None:
    found = pictures.bundle(tmp_path / "bundle", encoding=None, gallery=None)
    assert found.gallery() is None
    assert found.open_predictor() is None


def test_without_features_there_is_nothing_to_predict_from(tmp_path: Path) -> None:
    given = parts()
    del given["tensors"]["stimulus_features"]
    assert "needs tensor 'stimulus_features'" in refusal(tmp_path, given)


def test_features_must_be_one_row_per_label(tmp_path: Path) -> None:
    given = parts()
    given["tensors"]["stimulus_features"] = FEATURES[:4]
    assert "has 4 rows for the 7 labels" in refusal(tmp_path, given)


def test_features_must_have_the_width_of_the_graph(tmp_path: Path) -> None:
    given = parts()
    given["tensors"]["stimulus_features"] = FEATURES[:, :3].copy()
    assert "expected float32 of shape (any, 5)" in refusal(tmp_path, given)


def test_the_graph_must_be_there(tmp_path: Path) -> None:
    given = parts(encoding=EncodingSpec(graph="painter", labels=LABELS, n_times=N_TIMES))
    assert "needs graph 'painter'" in refusal(tmp_path, given)


def test_the_graph_must_give_epochs_of_the_processed_channels(tmp_path: Path) -> None:
    given = parts()
    given["graphs"]["decoder"] = GraphFiles(decoder_onnx(n_times=20))
    given["references"]["decoder"] = (FEATURES[:3], given["references"]["decoder"][1][:, :, :20].copy())
    assert "4 channels, 30 samples" in refusal(tmp_path, given)


def test_the_graph_must_take_features(tmp_path: Path) -> None:
    given = parts()
    given["graphs"]["decoder"] = GraphFiles(encoder_onnx())
    given["references"]["decoder"] = given["references"]["encoder"]
    assert "expected features, float32 (batch, n_features)" in refusal(tmp_path, given)


def test_a_baseline_without_a_sample_is_refused(tmp_path: Path) -> None:
    given = parts(encoding=EncodingSpec(labels=LABELS, n_times=N_TIMES, baseline=(-0.001, 0.0)))
    assert "holds no sample" in refusal(tmp_path, given)


@pytest.mark.parametrize(
    "gallery",
    [GALLERY[:5], GALLERY.astype(np.float32), GALLERY[:, :2].copy(), GALLERY[:, 0].copy()],
    ids=["fewer", "floats", "two channels", "flat"],
)
def test_a_gallery_is_one_picture_per_label(gallery: np.ndarray, tmp_path: Path) -> None:
    given = parts()
    given["tensors"]["gallery"] = gallery
    assert "expected uint8 (7 labels, 1 or 3 channels, height, width)" in refusal(tmp_path, given)


def test_a_gallery_that_is_named_must_be_there(tmp_path: Path) -> None:
    assert "the gallery needs tensor 'photographs'" in refusal(tmp_path, parts(gallery="photographs"))


def test_a_gallery_goes_with_labels() -> None:
    image = OutputSpec(kind="image", shape=(1, 2, 2))
    with pytest.raises(ValidationError, match="a picture per label goes with"):
        parts(output=image, runner=RunnerConfig())


def test_a_label_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="'bear' is there more than once"):
        EncodingSpec(labels=("bear", "canoe", "bear"), n_times=N_TIMES)


@pytest.mark.parametrize("times", [{"tmin": float("nan")}, {"baseline": (float("-inf"), 0.0)}], ids=str)
def test_a_time_that_is_no_number_is_refused(times: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="should be a finite number"):
        EncodingSpec(labels=("bear",), n_times=N_TIMES, **times)


def test_a_changed_file_of_the_encoding_is_refused(tmp_path: Path) -> None:
    made = pictures.bundle(tmp_path / "bundle")
    file = made.path / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"1234")
    with pytest.raises(BundleError, match=r"tensors\.safetensors was changed"):
        load_bundle(made.path)
