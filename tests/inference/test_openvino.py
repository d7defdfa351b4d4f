"""What OpenVINO cannot do here is said when a graph is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from streamkit.errors import CannotRun
from streamkit.inference import Settings
from streamkit.inference.openvino_backend import OpenVinoBackend
from tests import small_graphs

openvino = pytest.importorskip("openvino")


def test_bf16_is_refused_where_the_processor_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Older(openvino.Core):
        def get_property(self, *names: Any) -> Any:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Older)
    graph = small_graphs.graph(tmp_path)
    with pytest.raises(
        CannotRun, match=r"does not compute in bf16 \(OpenVINO lists FP32, INT8\): use --precision float32"
    ):
        OpenVinoBackend().open(graph, Settings(precision="bf16"))
    OpenVinoBackend().open(graph).close()


def test_int8_is_refused_where_the_bundle_has_none(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"has no int8 version: make one with `streamkit quantize`"):
        OpenVinoBackend().open(small_graphs.graph(tmp_path), Settings(precision="int8"))


def test_an_output_that_does_not_follow_the_batch_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["each"], transB=1),
        helper.make_node("ReduceSum", ["each", "axes"], ["y"]),
    ]
    shapes = {"x": ["batch", 3, 8]}, {"y": ["batch", 2]}
    tensors = {"weight": small_graphs.WEIGHT, "bias": small_graphs.BIAS, "axes": np.array([0])}
    graph = small_graphs.graph(tmp_path)
    (tmp_path / "decoder.onnx").write_bytes(small_graphs.model_of(nodes, *shapes, **tensors).SerializeToString())
    OpenVinoBackend().open(graph).close()
    with pytest.raises(CannotRun, match=r"gives y of shape \(1, 2\) at batch 3, expected \(3, 2\)"):
        OpenVinoBackend().open(graph, Settings(batch=3))
