"""Backends prove themselves on reference pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import BackendError
from streamkit.inference import Settings, prove
from streamkit.inference.graph import Reduced, TensorSpec
from streamkit.inference.proof import open_proven
from tests import small_graphs
from tests.inference.fakes import Stage

Pair = tuple[np.ndarray, np.ndarray]


def test_the_error_is_relative_to_the_largest_output(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    stage.add("fake")
    x, y = reference
    shifted = y + np.float32(5e-5) * np.abs(y).max()
    with stage.kinds["fake"]().open(small_graphs.graph(tmp_path)) as backend:
        assert prove(backend, (x, shifted)) == pytest.approx(5e-5, rel=0.02)


def test_a_wrong_output_fails_the_proof_with_both_numbers(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    stage.add("fake")
    x, y = reference
    with (
        stage.kinds["fake"]().open(small_graphs.graph(tmp_path)) as backend,
        pytest.raises(BackendError, match=r"'fake' failed its proof: .* differ .* by .*allowed is 0\.0001"),
    ):
        prove(backend, (x, y + 1))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_output_that_is_not_finite_fails_the_proof(
    tmp_path: Path, stage: Stage, reference: Pair, wrong: float
) -> None:
    stage.add("fake", wrong=wrong)
    with (
        stage.kinds["fake"]().open(small_graphs.graph(tmp_path)) as backend,
        pytest.raises(BackendError, match="failed its proof"),
    ):
        prove(backend, reference)


def test_an_output_of_another_shape_fails_the_proof(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    stage.add("fake")
    x, y = reference
    with (
        stage.kinds["fake"]().open(small_graphs.graph(tmp_path)) as backend,
        pytest.raises(BackendError, match=r"outputs of shape \(4, 2\), the reference has \(4, 1\)"),
    ):
        prove(backend, (x, y[:, :1]))


@pytest.mark.parametrize("spoilt", [0, 1])
@pytest.mark.parametrize("wrong", [np.nan, 1.0])
def test_every_output_counts(
    tmp_path: Path, stage: Stage, reference: Pair, spoilt: int, wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add("fake")
    kind, (x, y) = stage.kinds["fake"], reference

    def run(backend: object, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        answers = [small_graphs.answers(arrays[0]) for _ in range(2)]
        answers[spoilt] = answers[spoilt] + np.float32(wrong)
        return tuple(answers)

    monkeypatch.setattr(kind, "_run", run)
    two = tuple(TensorSpec(name=name, shape=(None, 2)) for name in ("y", "z"))
    with (
        kind().open(small_graphs.graph(tmp_path, outputs=two)) as backend,
        pytest.raises(BackendError, match="failed its proof"),
    ):
        prove(backend, (x, (y, y)))


def test_an_output_too_few_fails_the_proof(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    stage.add("fake")
    x, y = reference
    with (
        stage.kinds["fake"]().open(small_graphs.graph(tmp_path)) as backend,
        pytest.raises(BackendError, match=r"shape \(4, 2\), the reference has \(4, 2\) and \(4, 2\)"),
    ):
        prove(backend, (x, (y, y)))


def test_tolerance_goes_by_precision(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    largest = float(np.abs(reference[1]).max())
    stage.add("fake", wrong=5e-3 * largest, precisions={"cpu": ("float32", "bf16")})
    graph = small_graphs.graph(tmp_path)
    backend, error = open_proven("fake", graph, reference, Settings(precision="bf16"))
    backend.close()
    assert error == pytest.approx(5e-3, rel=0.01)
    with pytest.raises(BackendError, match=r"allowed is 0\.0001"):
        open_proven("fake", graph, reference, Settings(precision="float32"))


def test_tolerance_of_int8_is_what_the_bundle_states(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    largest = float(np.abs(reference[1]).max())
    stage.add("fake", wrong=0.03 * largest, precisions={"cpu": ("int8",)})
    graph = small_graphs.graph(tmp_path)
    for tolerance, passes in ((0.04, True), (0.02, False)):
        reduced = small_graphs.graph(tmp_path, reduced={"int8": Reduced(graph.onnx, tolerance)})
        if passes:
            open_proven("fake", reduced, reference, Settings(precision="int8"))[0].close()
        else:
            with pytest.raises(BackendError, match=r"by 0\.03 .*allowed is 0\.02"):
                open_proven("fake", reduced, reference, Settings(precision="int8"))


def test_a_backend_that_fails_is_closed(tmp_path: Path, stage: Stage, reference: Pair) -> None:
    stage.add("fake", wrong=1.0)
    with pytest.raises(BackendError):
        open_proven("fake", small_graphs.graph(tmp_path), reference)
    assert stage.left_open == []
