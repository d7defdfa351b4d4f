"""Anybody's ONNX model becomes a bundle, and the commands report on what is here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper

from apps.cli import main
from apps.commands import pack
from streamkit.bundle import load_bundle
from tests import small_graphs

CONTRACT = """
[stream]
type = "EEG"
ch_names = ["C3", "Cz", "C4"]
sfreq = 100.0
unit = "microvolts"

[[preprocess.stages]]
kind = "bandpass"
low = 1.0
high = 30.0

[window]
mode = "hop"
n_times = 8
hop = 4

[output]
kind = "probabilities"
labels = ["left", "right"]
shape = [2]
activation = "softmax"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(small_graphs.onnx_bytes())
    (tmp_path / "contract.toml").write_text(CONTRACT)
    return tmp_path


def run_pack(folder: Path, *options: str) -> Result:
    arguments = [str(folder / "model.onnx"), str(folder / "contract.toml"), "--out", str(folder / "bundle"), *options]
    return CliRunner().invoke(pack.command, arguments)


def refusal(folder: Path, *options: str) -> str:
    result = run_pack(folder, *options)
    assert result.exception is not None
    assert not (folder / "bundle").exists()
    return str(result.exception)


def test_pack_makes_a_bundle_that_runs(folder: Path) -> None:
    result = run_pack(folder, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    bundle = load_bundle(folder / "bundle")
    assert report == {"bundle": str(bundle.path), "hash": bundle.hash, "input": [None, 3, 8], "output": [None, 2]}
    x, y = bundle.references()["decoder"]
    np.testing.assert_allclose(y, small_graphs.answers(x), rtol=1e-4, atol=1e-5)
    assert bundle.open_runner("onnxruntime").infer(x[:1]).sum() == pytest.approx(1.0)


def test_pack_says_in_words_what_it_made(folder: Path) -> None:
    assert "bundle: (None, 3, 8) -> (None, 2), hash" in run_pack(folder).output


def test_pack_takes_in_weights_that_lie_beside_the_model(folder: Path) -> None:
    onnx.save_model(
        small_graphs.onnx_model(), folder / "model.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    assert run_pack(folder).exit_code == 0
    x, y = load_bundle(folder / "bundle").references()["decoder"]
    np.testing.assert_allclose(y, small_graphs.answers(x), rtol=1e-4, atol=1e-5)


def test_pack_names_weights_it_cannot_find(folder: Path) -> None:
    onnx.save_model(
        small_graphs.onnx_model(), folder / "model.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    (folder / "w").unlink()
    assert "model.onnx keeps weights in ['w'], which could not be read" in refusal(folder)


def test_pack_refuses_a_window_the_model_does_not_take(folder: Path) -> None:
    (folder / "contract.toml").write_text(CONTRACT.replace("n_times = 8", "n_times = 9"))
    message = refusal(folder)
    assert (
        "takes float32 (batch, 3, 8), the contract makes windows of float32 (batch, 3 channels, 9 samples)" in message
    )
    assert "window.n_times" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hop = 4", "hop = 4\nstep = 2", "window.step: is not a key of a contract"),
        ("sfreq = 100.0", "", "stream.sfreq: is missing"),
        ("[window]", "[windows]", "(tables of a contract: stream, preprocess, window, output, runner, also, encoding,"),
        ('kind = "bandpass"', 'kind = "bandpas"', "preprocess.stages.0"),
        (
            '"C3", "Cz", "C4"',
            '"C3", "C3", "C4"',
            "stream.ch_names: C3 more than once; every channel needs its own name",
        ),
        ("[output]", "[output", "is not a readable TOML file"),
    ],
)
def test_pack_names_what_is_wrong_in_the_contract(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "contract.toml").write_text(CONTRACT.replace(old, new))
    said = refusal(folder)
    assert "contract.toml" in said
    assert message in said


def test_pack_refuses_what_is_not_onnx(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a network")
    assert "model.onnx is not a readable ONNX model" in refusal(folder)


def test_pack_refuses_a_missing_file(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    assert f"there is no model at {folder / 'model.onnx'}, expected an ONNX file" in refusal(folder)


def test_pack_refuses_another_precision(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(small_graphs.onnx_bytes(dtype=TensorProto.DOUBLE))
    assert "input 'x' is float64 of shape (None, 3, 8) (None: open), expected float32" in refusal(folder)


def test_pack_refuses_a_batch_of_many(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(small_graphs.onnx_bytes(batch=16))
    assert "with a batch that is open or 1" in refusal(folder)


def test_pack_refuses_a_model_that_does_not_run(folder: Path) -> None:
    model = small_graphs.onnx_model()
    model.graph.node[0].op_type = "Flatten2"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert "model.onnx does not run in ONNX Runtime" in refusal(folder)


def test_pack_refuses_a_model_that_rolls_dice(folder: Path) -> None:
    model = small_graphs.onnx_model()
    model.graph.node[-1].output[0] = "clean"
    model.graph.node.append(helper.make_node("RandomNormalLike", ["clean"], ["noise"]))
    model.graph.node.append(helper.make_node("Add", ["clean", "noise"], ["y"]))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert "answers the same input differently twice: export it in evaluation mode" in refusal(folder)


def test_pack_keeps_a_bundle_unless_told_to_overwrite(folder: Path) -> None:
    assert run_pack(folder).exit_code == 0
    assert "is already a bundle" in str(run_pack(folder).exception)
    assert run_pack(folder, "--overwrite").exit_code == 0


def test_a_bad_model_ends_the_program_with_status_2_and_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "model.onnx").write_bytes(b"no")
    with pytest.raises(SystemExit) as stop:
        main(["pack", str(folder / "model.onnx"), str(folder / "contract.toml"), "--out", str(folder / "bundle")])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
