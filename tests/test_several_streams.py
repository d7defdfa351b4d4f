"""Several streams through one bundle: what verify proves of them, and which signals of a recording are meant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from apps.commands.verify import command
from streamkit.bundle import contract_signals, load_bundle
from streamkit.bundle.manifest import canonical, sha256
from streamkit.errors import ContractMismatch, RecordingError
from streamkit.recording import Recording, Signal, write_recording
from streamkit.verify import Feed, SideChunk, offline_samples, over_memory
from tests.several import FORCE, several_bundle, several_contract, several_recording, side_streams
from tests.small import linear_bundle, noise_recording


@pytest.fixture(params=["event", "hop"])
def bundle(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return several_bundle(tmp_path / "bundle", mode=request.param).path


@pytest.fixture
def patient(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The same with half a second for what comes of the side streams: other tests keep this machine busy."""
    return several_bundle(tmp_path / "patient", mode=request.param, also=side_streams(0.5)).path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(several_recording(), tmp_path / "recording")


def verify(bundle: Path, recording: Path, *options: str, **seams: Any) -> tuple[Result, dict[str, Any]]:
    arguments = [str(bundle), str(recording), "--json", "--backend", "onnxruntime", *options]
    result = CliRunner().invoke(command, arguments, obj=seams, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result, json.loads(result.stdout)


def shifted_by_one_sample(stream: int) -> Callable[[Feed], Iterator[Any]]:
    """Give every sample of a side stream the values of the one before."""

    def tamper(items: Feed) -> Iterator[Any]:
        previous: np.ndarray | None = None
        for item in items:
            if isinstance(item, SideChunk) and item.stream == stream:
                data = item.chunk.data
                before = data[:1] if previous is None else previous
                previous = data[-1:]
                yield replace(item, chunk=replace(item.chunk, data=np.concatenate([before, data[:-1]])))
            else:
                yield item

    return tamper


def side_streams_first(items: Feed) -> Iterator[Any]:
    """Deliver every side stream long before its time."""
    held = list(items)
    yield from (item for item in held if isinstance(item, SideChunk))
    yield from (item for item in held if not isinstance(item, SideChunk))


def side_streams_late(items: Feed) -> Iterator[Any]:
    """Deliver what comes of the side streams only after 60 further chunks."""
    waiting: list[SideChunk] = []
    for item in items:
        if isinstance(item, SideChunk):
            waiting.append(item)
        else:
            yield item
            if len(waiting) > 60:
                yield waiting.pop(0)
    yield from waiting


def test_several_streams_pass_over_memory(bundle: Path, recording: Path) -> None:
    result, report = verify(bundle, recording, "--over", "memory")
    assert result.return_value == 0
    assert report["passed"], report
    assert report["expected"] == report["live"] > 5
    assert report["max_abs"] <= 1e-5
    assert report["bit_equal_on_repeat"]


@pytest.mark.parametrize("stream", [1, 2])
def test_a_side_stream_shifted_by_one_sample_fails(bundle: Path, recording: Path, stream: int) -> None:
    result, report = verify(bundle, recording, "--over", "memory", tamper=shifted_by_one_sample(stream))
    assert result.return_value == 1
    assert report["missed"] == report["unexpected"] == 0
    assert report["max_abs"] > 1e-5


def test_side_streams_that_come_early_pass(bundle: Path, recording: Path) -> None:
    _, report = verify(bundle, recording, "--over", "memory", tamper=side_streams_first)
    assert report["passed"], report


def test_side_streams_that_come_late_fail(bundle: Path, recording: Path) -> None:
    _, report = verify(bundle, recording, "--over", "memory", tamper=side_streams_late)
    assert not report["passed"]


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.parametrize("patient", ["event"], indirect=True)
def test_several_streams_pass_over_lsl(patient: Path, recording: Path) -> None:
    _, report = verify(patient, recording)
    assert report["passed"], report
    assert report["counts"]["side_late"] == 0


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("bundle", ["event"], indirect=True)
def test_a_verdict_says_that_side_streams_were_late(
    bundle: Path, recording: Path, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = over_memory(bundle, recording, "onnxruntime", seed=0, tamper=side_streams_late)
    monkeypatch.setattr("apps.commands.verify.answer_over", lambda *_: (answer, {"counts": {"side_late": n}}))
    said = CliRunner().invoke(command, [str(bundle), str(recording), "--backend", "onnxruntime"])
    assert said.exit_code == 1
    assert ("came after their time" in said.stdout) == (n > 0)
    assert (f"{n} sample of side" if n == 1 else f"{n} samples of side") in said.stdout or not n


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.parametrize("patient", ["hop"], indirect=True)
def test_a_side_stream_shifted_by_one_sample_fails_over_lsl(patient: Path, recording: Path, tmp_path: Path) -> None:
    whole = several_recording()
    signals = [s if s.spec.name != "force" else replace(s, data=np.roll(s.data, 1, axis=0)) for s in whole.signals]
    shifted = write_recording(replace(whole, signals=tuple(signals)), tmp_path / "shifted")
    result, report = verify(patient, recording, played=shifted)
    assert result.return_value == 1
    assert report["missed"] == report["unexpected"] == 0
    assert report["max_abs"] > 1e-5


def test_the_signals_of_a_recording_are_told_apart_by_their_channels() -> None:
    recording = several_recording()
    assert [signal.spec.name for signal in recording.signals] == ["gaze", "amp", "force"]
    primary, sides = contract_signals(several_contract(), recording)
    assert [signal.spec.name for signal in (primary, *sides) if signal] == ["amp", "force", "gaze"]


def without(name: str) -> Recording:
    whole = several_recording()
    return replace(whole, signals=tuple(signal for signal in whole.signals if signal.spec.name != name))


def test_a_side_stream_that_was_not_recorded_is_missed() -> None:
    with pytest.raises(ContractMismatch, match="grip"):
        contract_signals(several_contract(), without("force"))
    with pytest.raises(RecordingError, match="no stream left for grip"):
        contract_signals(several_contract(), noise_recording())


def test_an_optional_one_that_was_not_recorded_gives_zeros_and_invalid_samples() -> None:
    contract = several_contract(also=side_streams(optional=True))
    processed = offline_samples(contract, without("gaze"))
    assert contract.processed.ch_names[4:] == ("grip", "x", "y")
    assert processed.data[:, 4].any()
    assert not processed.data[:, 5:].any()
    assert processed.valid is not None
    assert not processed.valid.any()


def test_a_side_stream_of_another_rate_is_refused_with_the_difference() -> None:
    whole = several_recording()
    signals = tuple(
        replace(s, spec=s.spec.model_copy(update={"sfreq": 60.0 if s.spec.name == "gaze" else s.spec.sfreq}))
        for s in whole.signals
    )
    with pytest.raises(ContractMismatch, match="rate: expected an irregular rate, the stream has 60 Hz"):
        contract_signals(several_contract(), replace(whole, signals=signals))


def test_of_two_streams_with_the_same_channels_the_name_decides() -> None:
    whole = several_recording()
    twin = next(s for s in whole.signals if s.spec.name == "force")
    other = Signal(FORCE.model_copy(update={"name": "other hand"}), twin.data, twin.stamps)
    both = replace(whole, signals=(other, *whole.signals))
    _, sides = contract_signals(several_contract(), both)
    assert [side.spec.name for side in sides if side] == ["force", "gaze"]


def test_a_bundle_written_before_there_were_side_streams_still_loads(tmp_path: Path) -> None:
    path = linear_bundle(tmp_path / "bundle").path
    file = path / "bundle.json"
    document = json.loads(file.read_text())
    del document["contract"]["also"], document["hash"]
    file.write_bytes(canonical(document | {"hash": sha256(canonical(document))}))
    assert load_bundle(path).contract.also == ()


def test_the_contract_says_what_the_model_sees(bundle: Path) -> None:
    contract = load_bundle(bundle).contract
    assert contract.processed.ch_names == ("E0", "E1", "E2", "E3", "grip", "x", "y")
    assert contract.processed.sfreq == contract.stream.sfreq
    assert contract.also[0].delay == 0.05
