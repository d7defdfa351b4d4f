"""Hundreds of damaged ONNX files in bundles whose hashes fit: each is one clear error, or runs; the process lives on.

``python -m tests.fuzz_onnx`` tries as many as one likes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamkit.inference import Graph, TensorSpec, open_backend
from tests import fuzz_onnx, small_graphs

RUNTIMES = ["openvino", "onnxruntime"]
MUTANTS = 100


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("network", fuzz_onnx.NETWORKS)
def test_undamaged_they_run(network: str, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(runtime)
    file = tmp_path / "whole.onnx"
    file.write_bytes(fuzz_onnx.NETWORKS[network]())
    graph = Graph("whole", small_graphs.graph(tmp_path).inputs, (TensorSpec(name="y", shape=(None, 2)),), file)
    with open_backend(runtime, graph) as backend:
        assert np.isfinite(backend.infer(small_graphs.windows(1))).all()


def test_a_mutant_is_made_from_its_number() -> None:
    whole = small_graphs.onnx_bytes()
    made = [fuzz_onnx.mutant(whole, "linear", number) for number in range(50)]
    assert made == [fuzz_onnx.mutant(whole, "linear", number) for number in range(50)]
    assert len(set(made)) > 45


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_damaged_file_does_harm(runtime: str) -> None:
    """Those that harm a runtime by itself are tried again as a user would: with a quarantine before."""
    pytest.importorskip(runtime)
    bare = fuzz_onnx.fuzz(MUTANTS, list(fuzz_onnx.NETWORKS), [runtime], quarantined=False)
    harmful = [finding for finding in bare if not finding.harmless]
    assert not [finding for finding in harmful if "traceback" in finding.happened or "lines" in finding.happened]
    for finding in harmful:
        (again,) = fuzz_onnx.fuzz(1, [finding.network], [runtime], finding.number)
        assert again.happened == "refused", again
