"""What is exported says what torch said, quietly, and notes nothing about this machine."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from calibration.export import check_export, export_graph, reference_pair, run_torch
from streamkit.bundle import GraphFiles, load_bundle, write_bundle
from streamkit.errors import CheckFailed
from streamkit.inference.onnx_file import signature
from streamkit.types import OutputSpec
from tests import small_graphs

EXAMPLE = np.zeros((5, small_graphs.N_CHANS, small_graphs.N_TIMES), np.float32)


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.BatchNorm1d(8), nn.ELU(), nn.Dropout(), nn.Linear(8, 2))


@pytest.fixture(scope="module")
def files(module: nn.Module) -> GraphFiles:
    return export_graph(module.train(), EXAMPLE, builder="linear", builder_args={"n_chans": 3})


def test_the_export_agrees_with_torch(module: nn.Module, files: GraphFiles) -> None:
    x, y = reference_pair(module, small_graphs.windows(20))
    assert 0 <= check_export(files, x, y) <= 1e-5


def test_weights_and_builder_come_along(module: nn.Module, files: GraphFiles) -> None:
    assert files.builder == "linear"
    assert files.builder_args == {"n_chans": 3}
    assert files.state_dict is not None
    assert set(files.state_dict) == set(module.state_dict())


def test_without_a_builder_there_are_no_weights_beside_the_graph() -> None:
    assert export_graph(nn.Flatten(), EXAMPLE).state_dict is None


def test_the_export_holds_no_paths_of_this_machine(files: GraphFiles) -> None:
    for word in (b"/work", b"site-packages", Path(__file__).name.encode(), str(Path.home()).encode() + b"/"):
        assert word not in files.onnx


def test_exporting_is_quiet(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        export_graph(nn.Sequential(nn.Flatten(), nn.Linear(24, 2)), EXAMPLE)
    said = capfd.readouterr()
    assert (said.out, said.err, caplog.text) == ("", "", "")


def test_reference_windows_are_spread_over_the_recording(module: nn.Module) -> None:
    windows = small_graphs.windows(20)
    x, y = reference_pair(module, windows, 3)
    np.testing.assert_array_equal(x, windows[[0, 10, 19]])
    np.testing.assert_array_equal(y, run_torch(module, x))
    assert len(reference_pair(module, windows[:2], 8)[0]) == 2


def test_a_module_with_a_state_keeps_the_names_and_order_of_its_tensors() -> None:
    class Leaky(nn.Module):
        def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            new = 0.5 * state + x.mean(-1)
            return new.sum(1, keepdim=True), new

    examples = (EXAMPLE, np.zeros((5, small_graphs.N_CHANS), np.float32))
    files = export_graph(Leaky(), examples, input_names=("window", "state"), output_names=("answer", "state_out"))
    inputs, outputs = signature(files.onnx)
    assert [(each.name, each.shape) for each in inputs] == [("window", (None, 3, 8)), ("state", (None, 3))]
    assert [(each.name, each.shape) for each in outputs] == [("answer", (None, 1)), ("state_out", (None, 3))]


def test_an_export_that_differs_is_refused_with_both_numbers(module: nn.Module, files: GraphFiles) -> None:
    x, y = reference_pair(module, small_graphs.windows(4))
    with pytest.raises(CheckFailed, match=r"differs from torch by 0\.01, allowed is 0\.0001"):
        check_export(files, x, (y + 0.01).astype(np.float32))


def test_a_module_that_cannot_be_exported_says_so() -> None:
    class Branching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1 if float(x.sum()) > 0 else x - 1

    with pytest.raises(CheckFailed, match="Branching could not be exported to ONNX"):
        export_graph(Branching(), EXAMPLE)


def test_an_exported_network_goes_through_a_bundle_to_an_answer(
    module: nn.Module, files: GraphFiles, tmp_path: Path
) -> None:
    output = OutputSpec(kind="values", labels=("a", "b"), shape=(2,))
    pair = reference_pair(module, small_graphs.windows(4))
    write_bundle(
        tmp_path / "bundle",
        contract=small_graphs.contract(output=output),
        graphs={"decoder": GraphFiles(files.onnx)},
        references={"decoder": pair},
    )
    runner = load_bundle(tmp_path / "bundle").open_runner("onnxruntime")
    np.testing.assert_allclose(runner.infer(pair[0][:1]), pair[1][0], atol=1e-5)
