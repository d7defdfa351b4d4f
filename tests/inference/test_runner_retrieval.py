"""Scores of templates: the cosine or the product with what a graph makes of the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamkit.inference import BACKENDS, Runner, Wish, open_runner
from streamkit.inference.runners import RetrievalConfig
from streamkit.types import OutputSpec
from tests import runner_graphs as small

NAMES = ("bed", "cat", "dog", "elk", "fig", "gnu", "hat")
TEMPLATES = np.random.default_rng(8).standard_normal((7, 5)).astype(np.float32) * np.arange(1, 8)[:, None]
TEMPLATES = TEMPLATES.astype(np.float32)
HERE = [name for name, row in BACKENDS.items() if row.runs == "onnx" and "cpu" in row.precisions and row.present()[0]]


def a_runner(
    folder: Path, backend: str = "onnxruntime", templates: np.ndarray = TEMPLATES, activation: Any = "none", **more: Any
) -> Runner:
    graphs = {"encoder": small.graph(folder, "encoder", small.encoder())}
    references = {"encoder": small.reference(small.encoder())}
    names = NAMES[: len(templates)]
    output = OutputSpec(kind="probabilities", labels=names, shape=(len(names),), activation=activation)
    tensors = {"templates": templates}
    return open_runner(RetrievalConfig(**more), graphs, references, output, Wish(backend, threads=1), tensors=tensors)


def cosines(window: np.ndarray) -> np.ndarray:
    made = small.features(window).astype(np.float64)
    return TEMPLATES @ made / np.linalg.norm(TEMPLATES, axis=1) / np.linalg.norm(made)


@pytest.mark.parametrize("backend", HERE)
def test_the_cosine_asks_for_direction_alone(backend: str, tmp_path: Path) -> None:
    runner = a_runner(tmp_path, backend)
    for x in small.windows(4):
        scores = runner.infer(x[np.newaxis])
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, cosines(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(runner.infer(3 * x[np.newaxis]), scores, rtol=1e-5, atol=1e-6)


def test_the_product_asks_for_length_too(tmp_path: Path) -> None:
    runner = a_runner(tmp_path, metric="dot")
    for x in small.windows(4):
        np.testing.assert_allclose(runner.infer(x[np.newaxis]), TEMPLATES @ small.features(x), rtol=1e-4, atol=1e-4)


def test_a_template_finds_itself(tmp_path: Path) -> None:
    back = np.linalg.pinv(small.FEATURES)  # windows whose features are the templates
    runner = a_runner(tmp_path, activation="softmax", temperature=0.01)
    for number, template in enumerate(TEMPLATES):
        x = (template @ back).reshape(1, small.N_CHANS, small.N_TIMES).astype(np.float32)
        found = runner.infer(x)
        assert found.argmax() == number
        assert found.sum() == pytest.approx(1.0)


def test_a_lower_temperature_is_surer(tmp_path: Path) -> None:
    x = small.windows(1)
    scaled = cosines(x[0]) / 0.07
    expected = np.exp(scaled - scaled.max())
    found = a_runner(tmp_path, activation="softmax", temperature=0.07).infer(x)
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-4)
    assert found.max() > a_runner(tmp_path, activation="softmax").infer(x).max()


def test_features_of_nothing_are_like_no_template(tmp_path: Path) -> None:
    silence = np.zeros((1, small.N_CHANS, small.N_TIMES), np.float32)
    np.testing.assert_array_equal(a_runner(tmp_path).infer(silence), np.zeros(7))


def test_a_template_of_zeros_may_be_multiplied_with(tmp_path: Path) -> None:
    templates = np.vstack([TEMPLATES[:1], np.zeros((1, 5), np.float32)])
    assert a_runner(tmp_path, templates=templates, metric="dot").infer(small.windows(1))[1] == 0


def test_answers_are_the_callers_and_repeat(tmp_path: Path) -> None:
    runner, windows = a_runner(tmp_path), small.windows(3)
    first = [runner.infer(x[np.newaxis]) for x in windows]
    kept = [answer.copy() for answer in first]
    runner.rehearse(windows[:1])
    for answer in first:
        answer[:] = np.nan
    np.testing.assert_array_equal([runner.infer(x[np.newaxis]) for x in windows], kept)
    assert runner.steps is None


def test_templates_of_the_bundle_are_left_alone(tmp_path: Path) -> None:
    before = TEMPLATES.copy()
    a_runner(tmp_path, temperature=0.5)
    np.testing.assert_array_equal(TEMPLATES, before)


def test_a_bundle_keeps_its_templates(tmp_path: Path) -> None:
    output = OutputSpec(kind="probabilities", labels=NAMES, shape=(7,))
    tensors = {"templates": TEMPLATES}
    made = small.bundle(tmp_path / "bundle", {"encoder": small.encoder()}, RetrievalConfig(), output, tensors)
    x = small.windows(1)
    np.testing.assert_allclose(made.open_runner(small.ORT).infer(x), cosines(x[0]), rtol=1e-5, atol=1e-6)
