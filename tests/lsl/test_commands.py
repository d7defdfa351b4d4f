"""The commands live, streams and doctor: what they print, and how they end."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pylsl
import pytest
from click.testing import CliRunner

from apps.commands import doctor, live, streams
from streamkit.errors import BadInput, ContractMismatch
from streamkit.lsl import SignalOutlet
from streamkit.types import StreamSpec
from tests.small import SFREQ, linear_bundle

pytestmark = pytest.mark.lsl


def amp(source_id: str, unit: str = "microvolts") -> SignalOutlet:
    names = tuple(f"E{i}" for i in range(4))
    return SignalOutlet(StreamSpec(name="amp", type="EEG", ch_names=names, sfreq=SFREQ, unit=unit, source_id=source_id))


def test_live_sums_up_as_one_json_object(unique_id: str, tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path / "bundle", mode="hop").path
    outlet = amp(unique_id)

    def source() -> None:
        if outlet.wait_for_consumers(20):
            outlet.push(np.ones((200, 4), np.float32), pylsl.local_clock() - np.arange(200)[::-1] / SFREQ)

    thread = threading.Thread(target=source)
    thread.start()
    words = f"{bundle} --stream source_id={unique_id} --backend onnxruntime --duration 0.5 --json --name {unique_id}"
    result = CliRunner().invoke(live.command, words.split(), catch_exceptions=False)
    thread.join()
    outlet.close()
    said = json.loads(result.stdout)
    assert (said["state"], said["backend"], said["inputs"][0]) == ("stopped", "onnxruntime", unique_id)
    assert said["predictions"] == said["n"] == said["counts"]["decoded"] == 7
    assert said["latency_ms"]["p50"] > 0
    assert "live on onnxruntime (cpu, float32, 1 thread): amp (4 ch, 250 Hz)" in result.stderr
    text = live.sentences(said | {"counts": said["counts"] | {"late": 2}})
    assert text.splitlines()[0].startswith("7 predictions from 200 samples")
    assert text.endswith("not decoded: 2 marker came too late")


def test_live_refuses_another_stream_and_an_existing_recording(unique_id: str, tmp_path: Path) -> None:
    bundle = str(linear_bundle(tmp_path / "bundle", mode="hop").path)
    outlet = amp(unique_id, unit="V")
    runner, words = CliRunner(), [bundle, "--stream", f"source_id={unique_id}"]
    with pytest.raises(ContractMismatch, match="unit: expected microvolts, the stream has V"):
        runner.invoke(live.command, words, catch_exceptions=False)
    with pytest.raises(BadInput, match="exists already; choose a new folder"):
        runner.invoke(live.command, [*words, "--record", str(tmp_path)], catch_exceptions=False)
    outlet.close()


def test_streams_lists_channels_unit_rate_and_host(unique_id: str) -> None:
    outlet = amp(unique_id)
    query = f"source_id={unique_id}"
    (row,) = json.loads(CliRunner().invoke(streams.command, [query, "--json"]).stdout)["streams"]
    table = CliRunner().invoke(streams.command, [query]).stdout
    outlet.close()
    assert (row["n_chans"], row["sfreq"], row["unit"], row["ch_names"][-1]) == (4, SFREQ, "microvolts", "E3")
    assert row["hostname"]
    assert all(word in table for word in ("amp", "EEG", "4 float32", "250 Hz", "microvolts", unique_id))


def test_streams_says_what_to_do_when_there_is_none(unique_id: str) -> None:
    result = CliRunner().invoke(streams.command, [f"source_id={unique_id}", "--timeout", "0.1"])
    assert result.exit_code == 0
    assert f"no stream matched 'source_id={unique_id}' within 0.1 s" in result.stdout
    assert "streamkit replay" in result.stdout


def test_doctor_hears_itself_over_lsl() -> None:
    result = CliRunner().invoke(doctor.command, ["--json"])
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 0
    assert set(checks) == {"python", "packages", "extras", "lsl", "clock", "network", "real-time", "gpu", "display"}
    assert checks["lsl"]["figures"]["hop_ms"]["p50"] > 0
    assert checks["packages"]["figures"]["numpy"] == np.__version__


def test_doctor_names_the_next_step_and_fails_for_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_clock() -> doctor.Check:
        raise OSError("no clock")

    optional = doctor.Check("display", False, "no display is set", "log in with a desktop", required=False)
    monkeypatch.setattr(doctor, "CHECKS", (lambda: optional,))
    assert CliRunner().invoke(doctor.command).exit_code == 0
    monkeypatch.setattr(doctor, "CHECKS", (lambda: optional, check_clock))
    result = CliRunner().invoke(doctor.command)
    assert result.exit_code == 1
    assert "FAILED  clock: OSError: no clock" in result.stdout
    assert "absent  display: no display is set\n        next: log in with a desktop" in result.stdout
