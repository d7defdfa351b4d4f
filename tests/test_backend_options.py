"""What a bundle is run with can be said on the command line; what is used instead of it reaches the user."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest

from streamkit.bundle import GraphFiles, write_bundle
from streamkit.inference import BACKENDS
from streamkit.inference.onnxruntime_backend import OnnxRuntimeBackend
from streamkit.inference.settings import DEVICES, PRECISIONS
from streamkit.lsl import SignalOutlet
from streamkit.recording import write_recording
from streamkit.types import StreamSpec
from tests import small_graphs
from tests.command_line import run
from tests.small import SFREQ, linear_bundle, noise_recording

QUICK = ("--calls", 3, "--cadence", 0.003, "--json")


@pytest.fixture(autouse=True)
def own_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from another test."""
    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return linear_bundle(tmp_path / "bundle").path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(noise_recording(), tmp_path / "recording")


@pytest.fixture
def wrong_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are off by one."""
    right = OnnxRuntimeBackend._run

    def off_by_one(backend: OnnxRuntimeBackend, arrays: Any) -> Any:
        return tuple(answer + np.float32(1) for answer in right(backend, arrays))

    monkeypatch.setattr(OnnxRuntimeBackend, "_run", off_by_one)


def said_by(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Exit status, the JSON object on stdout, stderr."""
    capsys.readouterr()
    status = run(*words)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return status, json.loads(out) if out else None, err


# The table


def test_listing_backends_imports_none_of_them() -> None:
    code = (
        "import sys; from tests.command_line import run; status = run('backends', '--json');"
        "print(status, sorted({'torch', 'openvino', 'onnxruntime', 'tensorrt'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "0 []"
    rows = {row["name"]: row for row in json.loads(done.stdout)["backends"]}
    assert set(rows) == set(BACKENDS)
    assert rows["onnxruntime"]["available"]
    assert rows["onnxruntime"]["version"]
    assert set(rows["onnxruntime"]["devices"]) == set(BACKENDS["onnxruntime"].precisions)


def test_an_absent_backend_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    status, report, _ = said_by(capsys, "backends", "--json")
    rows = {row["name"]: row for row in report["backends"]}
    assert status == 0
    assert not rows["openvino"]["available"]
    assert "pip install 'streamkit[openvino]'" in rows["openvino"]["why_not"]


def test_every_row_of_the_table_is_proven_and_timed_on_a_bundle(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit.inference.wish.usable_cores", lambda: 2)
    status, report, _ = said_by(capsys, "backends", "--bundle", bundle, *QUICK)
    table = report["graphs"]["decoder"]["table"]
    expected = {
        (row.name, device, precision, threads)
        for row in BACKENDS.values()
        for device, precisions in row.precisions.items()
        for precision in precisions
        for threads in ((1, 2) if device == "cpu" else (1,))
    }
    found = {(row["backend"], row["device"], row["precision"], row["threads"]) for row in table}
    assert status == 0
    assert found == expected
    assert len(table) == len(expected)
    for row in table:
        if row["passed"]:
            assert row["relative_error"] < 1e-2
            assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p99"]
        else:
            assert row["why_not"]
    assert "names no builder" in next(row["why_not"] for row in table if row["backend"] == "torch")
    (chosen,) = (row for row in table if row["chosen"])
    assert report["chosen"] == {"decoder": chosen["backend"]}
    assert report["graphs"]["decoder"]["chosen"]["remembered"] is False


def test_a_choice_is_remembered_until_it_is_forgotten(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def remembered(*words: object) -> bool:
        _, report, _ = said_by(capsys, "backends", "--bundle", bundle, *QUICK, *words)
        return bool(report["graphs"]["decoder"]["chosen"]["remembered"])

    assert [remembered(), remembered(), remembered("--forget"), remembered()] == [False, True, False, True]
    assert said_by(capsys, "backends", "--forget")[0] == 2


def test_every_graph_of_a_bundle_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ("decoder", "spare")
    path = write_bundle(
        tmp_path / "two",
        contract=small_graphs.contract(),
        graphs={name: GraphFiles(small_graphs.onnx_bytes()) for name in both},
        references={name: small_graphs.references()["decoder"] for name in both},
    ).path
    _, report, _ = said_by(capsys, "backends", "--bundle", path, *QUICK)
    assert set(report["graphs"]) == set(report["chosen"]) == set(both)


def test_people_get_tables(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("backends", "--bundle", bundle, *QUICK[:-1], "--threads", 1) == 0
    said = capsys.readouterr().out
    assert "graph decoder: live would choose" in said
    assert "(cpu, float32, 1 thread)" in said
    assert said.count("chosen") == 1


def test_no_backend_at_all_is_status_1(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("openvino", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    status, report, _ = said_by(capsys, "backends", "--bundle", bundle, *QUICK)
    assert (status, report["chosen"]) == (1, {"decoder": None})
    assert "no backend can run this graph" in report["graphs"]["decoder"]["why_not"]


def test_a_backend_that_lies_is_shown_as_failed(
    bundle: Path, wrong_onnxruntime: None, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report, _ = said_by(capsys, "backends", "--bundle", bundle, *QUICK, "--threads", 1)
    rows = [row for row in report["graphs"]["decoder"]["table"] if row["backend"] == "onnxruntime" and row["failed"]]
    assert status == 0
    assert "failed its proof" in rows[0]["why_not"]
    assert report["chosen"] == {"decoder": "openvino"}


# Fallback, through every command


def evaluate(bundle: Path, recording: Path) -> tuple[object, ...]:
    return "evaluate", bundle, recording, "--json"


def verify(bundle: Path, recording: Path) -> tuple[object, ...]:
    return "verify", bundle, recording, "--over", "memory", "--json"


@pytest.mark.parametrize("words", [evaluate, verify])
def test_a_fallback_is_reported_and_strict_forbids_it(
    bundle: Path, recording: Path, wrong_onnxruntime: None, words: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    line = (*words(bundle, recording), "--backend", "onnxruntime", "--threads", 1)
    status, report, err = said_by(capsys, *line)
    assert status == 0
    assert (report["backend"], report["fell_back_from"]) == ("openvino", "onnxruntime")
    assert "failed its proof" in report["reason"]
    assert report["choices"]["decoder"]["backend"] == "openvino"
    assert err.count("warning: backend onnxruntime failed, openvino (cpu, float32, 1 thread) is used instead: ") == 1
    status, report, err = said_by(capsys, *line, "--strict-backend")
    assert (status, report) == (1, None)
    assert "error: backend 'onnxruntime' failed its proof" in err


@pytest.mark.parametrize("words", [evaluate, verify])
def test_settings_reach_the_backend(
    bundle: Path, recording: Path, words: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    line = (*words(bundle, recording), "--backend", "openvino", "--threads", 2, "--device", "cpu", "--strict-backend")
    status, report, _ = said_by(capsys, *line)
    assert (status, report["backend"], report["fell_back_from"]) == (0, "openvino", None)
    chosen = report["choices"]["decoder"]
    assert (chosen["device"], chosen["precision"], chosen["threads"]) == ("cpu", "float32", 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threads", "0"), "'0' was given, expected a number from 1, or auto"),
        (("--threads", "few"), "'few' was given, expected a number from 1, or auto"),
        (("--device", "gpu"), "there is no device 'gpu', expected one of cpu, cuda, tensorrt, auto"),
        (("--precision", "int4"), "there is no precision 'int4', expected one of float32, tf32, fp16, bf16, int8"),
        (("--precision", "int8"), "has no int8 version in its bundle: make one with `streamkit quantize`"),
        (("--backend", "openvino", "--device", "cuda"), "backend openvino does not run on cuda, only on cpu"),
        (("--backend", "torch"), "names no builder (it was packed from an ONNX file)"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_wish_is_a_wrong_use(
    bundle: Path, recording: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (evaluate, verify):
        status, report, err = said_by(capsys, *words(bundle, recording), *options)
        assert (status, report) == (2, None)
        assert message in err


@pytest.mark.parametrize("verb", ["live", "verify", "evaluate", "backends"])
def test_help_names_every_backend_device_and_precision(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    said = capsys.readouterr().out
    assert [word for word in (*BACKENDS, *DEVICES, *PRECISIONS, "--threads") if word not in said] == []
    assert ("--strict-backend" in said) == (verb != "backends")


@pytest.mark.lsl
@pytest.mark.parametrize("strict", [False, True])
def test_live_says_what_it_fell_back_from_or_ends_where_strict(
    tmp_path: Path, unique_id: str, wrong_onnxruntime: None, strict: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = linear_bundle(tmp_path / "hop", mode="hop").path
    names = tuple(f"E{i}" for i in range(4))
    outlet = SignalOutlet(
        StreamSpec(name="amp", type="EEG", ch_names=names, sfreq=SFREQ, unit="microvolts", source_id=unique_id)
    )

    def source() -> None:
        if outlet.wait_for_consumers(20):
            outlet.push(np.ones((200, 4), np.float32), pylsl.local_clock() - np.arange(200)[::-1] / SFREQ)

    thread = None if strict else threading.Thread(target=source)
    if thread is not None:
        thread.start()
    line = ("live", bundle, "--stream", f"source_id={unique_id}", "--backend", "onnxruntime", "--name", unique_id)
    options = ("--duration", 0.5, "--json", *(("--strict-backend",) if strict else ()))
    status, report, err = said_by(capsys, *line, *options)
    if thread is not None:
        thread.join()
    outlet.close()
    if strict:
        assert (status, report) == (1, None)
        assert "backend 'onnxruntime' failed its proof" in err
        return
    assert status == 0
    assert (report["backend"], report["fell_back_from"]) == ("openvino", "onnxruntime")
    assert "failed its proof" in report["reason"]
    assert report["predictions"] == 7
    assert err.count("warning: backend onnxruntime failed, openvino (cpu, float32, ") == 1
    assert "live on openvino (cpu, float32, " in err
