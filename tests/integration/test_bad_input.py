"""Bad input, line by line: one message that says what was given, what was expected and what to do; the right status.

Nothing here may print a traceback, and with ``--json`` stdout stays empty.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.cli import main
from streamkit.lsl import MarkerOutlet, SignalOutlet
from streamkit.recording import Recording, write_recording
from streamkit.types import StreamSpec
from tests.small import SFREQ, linear_bundle, noise_recording

NAMES = tuple(f"E{i}" for i in range(4))


@dataclass(frozen=True)
class Said:
    """How a command ended: exit status, stdout and stderr."""

    status: int
    out: str
    err: str


@pytest.fixture
def streamkit(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run one command line in this process."""

    def run(*words: object) -> Said:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        assert "defect" not in err
        return Said(int(end.value.code or 0), out, err)

    return run


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one whole recording, two whole bundles and a recipe; tests damage copies."""
    folder = tmp_path_factory.mktemp("things")
    write_recording(noise_recording(), folder / "recording")
    linear_bundle(folder / "event.bundle")
    linear_bundle(folder / "hop.bundle", mode="hop")
    return folder


def copied(things: Path, name: str, to: Path) -> Path:
    """A copy of one of the things, to damage."""
    shutil.copytree(things / name, to / name)
    return to / name


def changed(recording: Recording, data: np.ndarray) -> Recording:
    """The recording with other samples."""
    return replace(recording, signals=(replace(recording.signals[0], data=data),))


# Files and folders


@pytest.mark.parametrize("verb", [("replay",), ("convert", "file")])
def test_an_unknown_file_type_lists_the_known(streamkit: Any, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "run.docx").write_text("hello")
    said = streamkit(*verb, tmp_path / "run.docx", *(["x"] if verb[0] == "convert" else []))
    assert said.status == 2
    assert "run.docx: the type .docx is unknown. Known are folders written by streamkit, and .xdf" in said.err
    assert "convert anything else to one of these" in said.err


def test_a_file_that_is_not_there_is_said_to_be_absent(streamkit: Any) -> None:
    said = streamkit("replay", "nowhere.xdf")
    assert (said.status, said.err) == (2, "error: there is no recording at nowhere.xdf. Check the path.\n")


def test_a_file_with_the_wrong_suffix_is_named(streamkit: Any, tmp_path: Path) -> None:
    (tmp_path / "run.xdf").write_text("hello")
    said = streamkit("replay", tmp_path / "run.xdf")
    assert said.status == 2
    assert "run.xdf is not an XDF file: it begins with b'hell', expected b'XDF:'" in said.err


def test_a_truncated_xdf_says_how_much_is_missing_and_how_to_save_the_rest(
    streamkit: Any, things: Path, tmp_path: Path
) -> None:
    whole = (things / "recording" / "recording.xdf").read_bytes()
    (tmp_path / "cut.xdf").write_bytes(whole[:-300])
    said = streamkit("convert", "file", tmp_path / "cut.xdf", tmp_path / "out")
    assert said.status == 2
    assert "cut.xdf is cut short: its last chunk lacks " in said.err
    assert "Copy it again, or read what is whole with salvage=True (`replay --salvage`, `convert file" in said.err
    saved = streamkit("convert", "file", tmp_path / "cut.xdf", tmp_path / "out", "--option", "salvage=true", "--json")
    assert saved.status == 0
    assert 0 < json.loads(saved.out)["recordings"][0]["signals"][0]["n_times"] <= 1500


def test_an_empty_folder_is_no_recording(streamkit: Any, tmp_path: Path) -> None:
    said = streamkit("replay", tmp_path)
    assert said.status == 2
    assert "is not a recording: it has no recording.xdf (found: nothing). Give a folder that record" in said.err


def test_a_folder_of_recordings_names_them(streamkit: Any, things: Path) -> None:
    said = streamkit("replay", things)
    assert said.status == 2
    assert f"is not a recording but holds 1 of them: recording. Give one, e.g. {things / 'recording'}" in said.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not valid at the whole: Invalid JSON"),
        ('{"meta": {"nme": 1}}', "is not valid at meta.nme: no such key is known"),
    ],
)
def test_a_corrupt_recording_json_is_named_with_the_place(
    streamkit: Any, things: Path, tmp_path: Path, content: str, words: str
) -> None:
    folder = copied(things, "recording", tmp_path)
    (folder / "recording.json").write_text(content)
    said = streamkit("verify", things / "hop.bundle", folder, "--over", "memory", "--json")
    assert (said.status, said.out) == (2, "")
    assert f"{folder / 'recording.json'} {words}" in said.err
    assert "Copy the folder again, or remove recording.json" in said.err


def test_a_recording_full_of_nan_is_refused(streamkit: Any, things: Path, tmp_path: Path) -> None:
    recording = noise_recording()
    write_recording(changed(recording, np.full_like(recording.signals[0].data, np.nan)), tmp_path / "nan")
    for words in (("verify", "--over", "memory"), ("evaluate",)):
        said = streamkit(words[0], things / "event.bundle", tmp_path / "nan", *words[1:], "--json")
        assert (said.status, said.out) == (2, "")
        assert "no sample of E0, E1, E2, E3 is a finite number, so there is nothing to decode" in said.err


def test_a_recording_without_events_has_nothing_for_an_event_decoder(
    streamkit: Any, things: Path, tmp_path: Path
) -> None:
    write_recording(replace(noise_recording(), markers=()), tmp_path / "quiet")
    said = streamkit("evaluate", things / "event.bundle", tmp_path / "quiet", "--json")
    assert (said.status, said.out) == (2, "")
    assert "nothing to score in noise: no prediction belongs to an event" in said.err


def test_a_recording_of_other_channels_is_refused_line_by_line(streamkit: Any, things: Path, tmp_path: Path) -> None:
    write_recording(noise_recording(n_chans=2), tmp_path / "two")
    said = streamkit("verify", things / "hop.bundle", tmp_path / "two", "--over", "memory", "--json")
    assert (said.status, said.out) == (2, "")
    assert "is not what the bundle was calibrated on:\n  channels: 2 of 4 expected are missing: E2, E3" in said.err


# Recipes, worlds, contracts, options

RECIPE = """
name = "noise"
[data]
dataset = "file"
[window]
mode = "event"
n_times = 50
[target]
kind = "class"
classes = { a = "a", b = "b" }
[model]
name = "linear"
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("n_times", "ntimes", "unknown key 'window.ntimes'. Did you mean 'n_times'? Valid keys here: mode, n_times"),
        ("[target]", "[traget]", "unknown key 'traget'. Did you mean 'target'?"),
        ("n_times = 50", 'n_times = "many"', "key 'window.n_times': Input should be a valid integer"),
        ('name = "linear"', "", "the key 'model.name' is missing"),
        ("[model]", "[model", "recipe.toml is not TOML"),
        ('"linear"', '"linaer"', "Did you mean 'linear'?"),
        ('"file"', '"fiel"', "fiel"),
    ],
)
def test_a_recipe_with_a_wrong_key_or_value_says_which(
    streamkit: Any, things: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.replace(old, new))
    line = ("calibrate", tmp_path / "recipe.toml", "--data", things / "recording", "--out", tmp_path / "b", "--json")
    said = streamkit(*line)
    assert (said.status, said.out) == (2, "")
    assert words in said.err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("calibrate", "p300-mues", "--out", "b"), "(did you mean 'p300-muse'?). Shipped recipes: brain2pix"),
        (("calibrate", "p300-muse", "--out", "b"), "does not say where it lies: give --data PATH"),
        (("calibrate", "p300-muse", "--out", "b", "--set", "train.epochs"), "expected KEY=VALUE"),
        (
            ("simulate", "dmeo", "x"),
            "no world 'dmeo': expected a TOML file or one of the shipped worlds concepts, demo",
        ),
        (("simulate", "demo", "x", "--set", "noise.sgnal=1"), "noise.sgnal"),
        (("convert", "muse_p30", "x", "y"), "no dataset 'muse_p30'. Did you mean 'muse_p300'?"),
        (("convert", "muse_p300", "x", "y", "--option", "subjct=1"), "no such option. Did you mean 'subject'?"),
        (("convert", "muse_p300", "nowhere", "y"), "nowhere does not exist. The authors publish the data at"),
        (("pack", "model.onnx", "contract.toml", "--out", "b"), "there is no contract at contract.toml, expected"),
        (("replay", "x", "--sped", "2"), "No such option '--sped'"),
        (("replay", "x", "--speed", "fast"), "'fast' is not a valid float"),
        (("record", "x", "--duration", "0"), "0.0 is not in the range x>0"),
        (("streams", "nmae=amp"), "'nmae' is not a property to search by; expected one of name, type, source_id"),
        (("view", "--stream", "nmae=amp"), "'nmae' is not a property to search by"),
        (("view", "--size", "big"), "expected WIDTHxHEIGHT of at least 640x480 and at most 8192x8192, for"),
        (("view", "--size", "99999x99999"), "at most 8192x8192, for example 1280x800, got '99999x99999'"),
        (("view", "--size", "800x8193"), "at most 8192x8192, for example 1280x800, got '800x8193'"),
        (("view", "--screenshot", "x.txt"), "pictures are PNG files; give a name that ends in .png"),
        (("view", "--screenshot", "x.png", "--duration", "2"), "closes the window before the picture that --after 5"),
        (("view", "--from", "nowhere"), "there is no recording at nowhere"),
        (("simulate", "demo", "x", "--seed", "-1"), "Invalid value for '--seed': -1 is not in the range x>=0"),
        (("simulate", "demo", "x", "--set", "seed=-1"), "seed: Input should be greater than or equal to 0"),
        (("pack", "m.onnx", "c.toml", "--out", "b", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("demo", "--seed", "-3"), "-3 is not in the range x>=0"),
        (("calibrate", "p300-muse", "--out", "b", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("reproduce", "brainae", "--out", "b", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("calibrate", "p300-muse", "--out", "b", "--set", "window.tmin=nan"), "'window.tmin': Input should be a fin"),
        (
            ("calibrate", "p300-muse", "--out", "b", "--set", "window.tmin=1e300"),
            "should be less than or equal to 3600",
        ),
        (("conver",), "there is no command 'conver'. Did you mean 'convert'? Commands: backends, bench, calibrate"),
        (("live",), "Missing argument 'BUNDLE'"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_one_message_and_status_2(streamkit: Any, words: tuple[str, ...], message: str) -> None:
    said = streamkit(*words)
    assert (said.status, said.out) == (2, "")
    assert message in said.err


def test_an_impossible_speed_is_refused(streamkit: Any, things: Path) -> None:
    said = streamkit("replay", things / "recording", "--speed", "0")
    assert said.status == 2
    assert "speed is 0.0, expected a positive number" in said.err


# Bundles and backends


@pytest.mark.parametrize(
    "words", [("live",), ("verify", "recording"), ("evaluate", "recording"), ("backends", "--bundle")], ids=str
)
def test_a_bundle_with_a_changed_byte_is_refused_everywhere(
    streamkit: Any, things: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    bundle = copied(things, "hop.bundle", tmp_path)
    content = bytearray((bundle / "decoder.onnx").read_bytes())
    content[100] ^= 1
    (bundle / "decoder.onnx").write_bytes(content)
    more = [things / word if word == "recording" else word for word in words[1:]]
    line = (words[0], *more, bundle) if words[0] == "backends" else (words[0], bundle, *more)
    said = streamkit(*line, "--json")
    assert (said.status, said.out) == (2, "")
    assert "decoder.onnx was changed after it was written (its sha256 does not fit): copy the bundle again" in said.err


def test_what_is_no_bundle_is_said(streamkit: Any, things: Path) -> None:
    said = streamkit("live", things / "recording", "--json")
    assert (said.status, said.out) == (2, "")
    assert "bundle.json is missing" in said.err
    said = streamkit("live", "nowhere", "--json")
    assert (said.status, said.out) == (2, "")
    assert "there is no bundle at nowhere, expected a folder with bundle.json" in said.err


@pytest.mark.parametrize("words", [("live",), ("verify", "recording"), ("evaluate", "recording")], ids=str)
def test_a_wrong_backend_name_is_answered_with_the_closest(
    streamkit: Any, things: Path, words: tuple[str, ...]
) -> None:
    more = [things / word for word in words[1:]]
    said = streamkit(words[0], things / "hop.bundle", *more, "--backend", "opnvino", "--json")
    assert (said.status, said.out) == (2, "")
    assert "there is no backend 'opnvino', expected one of openvino, onnxruntime, torch, " in said.err
    assert "Did you mean 'openvino'?" in said.err


def test_a_backend_that_cannot_run_the_bundle_says_which_can(streamkit: Any, things: Path) -> None:
    said = streamkit("evaluate", things / "event.bundle", things / "recording", "--backend", "torch", "--json")
    assert (said.status, said.out) == (2, "")
    assert "names no builder (it was packed from an ONNX file)" in said.err
    assert "use openvino or onnxruntime" in said.err


def test_queries_for_side_streams_that_the_bundle_has_not_are_refused(streamkit: Any, things: Path) -> None:
    said = streamkit("live", things / "hop.bundle", "--also", "type=Gaze", "--timeout", "0.1", "--json")
    assert (said.status, said.out) == (2, "")
    assert "--also type=Gaze: side streams that the bundle reads: none; leave this out" in said.err


# Missing packages and displays


@pytest.mark.parametrize(
    ("module", "line", "extra"),
    [
        ("mne", "replay {tmp}/run.edf", "io"),
        ("onnxruntime", "live {things}/hop.bundle --backend onnxruntime --stream source_id={id}", "onnx"),
        ("onnxruntime", "pack {things}/hop.bundle/decoder.onnx {tmp}/contract.toml --out {tmp}/packed", "onnx"),
        ("torch", "demo --out {tmp}/demo", "train"),
        ("PyQt6.QtCore", "view", "view"),
        ("PIL.Image", "live {things}/hop.bundle --stimuli {tmp} --stream source_id={id}", "images"),
    ],
    ids=lambda value: value.split()[0] if " " in value else value,
)
def test_a_missing_package_names_the_extra_to_install(
    streamkit: Any,
    things: Path,
    tmp_path: Path,
    unique_id: str,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    line: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    (tmp_path / "run.edf").write_bytes(b"")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "contract.toml").write_text(CONTRACT)
    outlet = SignalOutlet(amp(unique_id))
    said = streamkit(*line.format(things=things, tmp=tmp_path, id=unique_id).split())
    outlet.close()
    assert (said.status, said.out) == (2, "")
    assert f"needs the package '{module.partition('.')[0]}', which could not be imported" in said.err
    assert f"Install it with: pip install 'streamkit[{extra}]'" in said.err


def test_a_world_without_its_photographs_names_the_extra(
    streamkit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    said = streamkit("simulate", "demo", tmp_path / "world", "--json")
    assert (said.status, said.out) == (2, "")
    assert "ships with scikit-image, which is not installed" in said.err
    assert "Install it with: pip install 'streamkit[images]'" in said.err


CONTRACT = """
[stream]
ch_names = ["E0", "E1", "E2", "E3"]
sfreq = 250.0
[window]
mode = "hop"
n_times = 50
hop = 25
[output]
kind = "probabilities"
labels = ["a", "b"]
shape = [2]
"""


@pytest.mark.parametrize("words", [("view",), ("live", "{things}/hop.bundle", "--view")], ids=str)
def test_without_a_display_the_window_says_how_to_do_without(
    streamkit: Any, things: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    said = streamkit(*(word.format(things=things) for word in words), "--json")
    assert (said.status, said.out) == (2, "")
    assert "no display was found (neither DISPLAY nor WAYLAND_DISPLAY is set)" in said.err
    assert "QT_QPA_PLATFORM=offscreen streamkit view --screenshot OUT.png --after 10" in said.err


# Outputs that cannot be written


@pytest.mark.parametrize(
    "line",
    [
        "convert file {things}/recording {file}/out",
        "simulate demo {file}/out",
        "calibrate p300-muse --data {things} --out {file}/out",
        "calibrate p300-muse --data {things} --out b --held-out {file}/out",
        "pack model.onnx contract.toml --out {file}/out",
        "evaluate {things}/event.bundle {things}/recording --report {file}/out",
        "live {things}/hop.bundle --record {file}/out",
        "view --screenshot {file}/out.png",
        "view --screenshots {file}/out",
    ],
    ids=lambda line: line.split()[0],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    streamkit: Any, things: Path, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "a-file"
    file.write_text("in the way")
    said = streamkit(*line.format(things=things, file=file).split())
    assert (said.status, said.out) == (2, "")
    assert f"{file} is not a folder, so nothing can be written in it. Choose another place." in said.err


def test_a_folder_that_refuses_writing_is_one_message(streamkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/protected/out")

    monkeypatch.setattr("apps.commands.convert.write_recording", refuse)
    monkeypatch.setattr("apps.commands.convert.chosen", lambda *_: [noise_recording()])
    said = streamkit("convert", "file", "x", "y", "--json")
    assert (said.status, said.out) == (2, "")
    assert "error: /protected/out: Permission denied. Check that the path exists, that you may write there" in said.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("convert file {things}/recording {things}/recording", "exists already. Choose another OUT, or replace"),
        ("record {things}/recording --timeout 0.1", "exists already. Choose a new folder"),
        ("live {things}/hop.bundle --record {things}/recording", "exists already; choose a new folder"),
    ],
    ids=lambda value: value.split()[0],
)
def test_what_is_there_is_not_overwritten(streamkit: Any, things: Path, line: str, words: str) -> None:
    before = (things / "recording" / "recording.xdf").read_bytes()
    said = streamkit(*line.format(things=things).split(), "--json")
    assert (said.status, said.out) == (2, "")
    assert words in said.err
    assert (things / "recording" / "recording.xdf").read_bytes() == before


def test_a_report_is_written_into_a_folder_that_holds_something_only_when_told(
    streamkit: Any, things: Path, tmp_path: Path
) -> None:
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("mine")
    line = ("evaluate", things / "event.bundle", things / "recording", "--report", page.parent, "--json")
    said = streamkit(*line)
    assert (said.status, said.out) == (2, "")
    assert f"--report {page.parent} is not empty: choose another folder, or write into it with --over" in said.err
    assert page.read_text() == "mine"
    assert streamkit(*line, "--overwrite").status == 0
    assert "Evaluation: event.bundle" in page.read_text()


@pytest.mark.parametrize(
    ("report", "kind"),
    [("hop.bundle", "bundle"), ("hop.bundle/report", "bundle"), ("link", "bundle"), ("recording/a/b", "recording")],
)
def test_a_report_is_never_put_into_a_bundle_or_a_recording(
    streamkit: Any, things: Path, tmp_path: Path, report: str, kind: str
) -> None:
    for name in ("hop.bundle", "recording"):
        copied(things, name, tmp_path)
    (tmp_path / "link").symlink_to("hop.bundle")
    before = sorted(tmp_path.rglob("*"))
    line = ("evaluate", things / "event.bundle", things / "recording", "--report", tmp_path / report, "--overwrite")
    said = streamkit(*line, "--json")
    assert (said.status, said.out) == (2, "")
    assert f"is a {kind}, to which nothing is added: choose another folder" in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_held_out_recordings_are_never_put_into_a_bundle(streamkit: Any, things: Path) -> None:
    line = (
        "calibrate",
        "p300-muse",
        "--data",
        things,
        "--out",
        "b",
        "--held-out",
        things / "hop.bundle",
        "--overwrite",
    )
    said = streamkit(*line, "--json")
    assert (said.status, said.out) == (2, "")
    assert "hop.bundle is a bundle, to which nothing is added: choose another folder" in said.err


@pytest.mark.parametrize(
    ("line", "inside", "kind"),
    [
        ("calibrate p300-muse --data {things} --out {out}", "hop.bundle/new", "bundle"),
        ("pack model.onnx contract.toml --out {out}", "hop.bundle/a/packed.bundle", "bundle"),
        ("reproduce brainae --out {out}", "hop.bundle/figures", "bundle"),
        ("simulate ecog {out}", "recording/another", "recording"),
        ("convert file {things}/recording {out}", "recording/another", "recording"),
        ("record {out} --stream nobody", "recording/another", "recording"),
        ("live {things}/hop.bundle --record {out}", "recording/another", "recording"),
    ],
    ids=lambda each: each.split()[0],
)
def test_nothing_is_put_inside_a_bundle_or_a_recording(
    streamkit: Any, things: Path, tmp_path: Path, line: str, inside: str, kind: str
) -> None:
    copied(things, inside.split("/")[0], tmp_path)
    before = sorted(tmp_path.rglob("*"))
    said = streamkit(*line.format(things=things, out=tmp_path / inside).split(), "--json")
    assert (said.status, said.out) == (2, "")
    assert f"is a {kind}, to which nothing is added: choose another folder" in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_overwriting_never_replaces_what_is_not_a_recording(streamkit: Any, things: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    said = streamkit("convert", "file", things / "recording", tmp_path / "home", "--overwrite")
    assert said.status == 2
    assert "is in the way and is not a recording, so it is not replaced" in said.err
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


# Live streams


def amp(uid: str, **changes: Any) -> StreamSpec:
    """What the bundles expect of a stream, with changes."""
    spec = StreamSpec(name="amp", type="EEG", ch_names=NAMES, sfreq=SFREQ, unit="microvolts", source_id=uid)
    return spec.model_copy(update=changes)


@pytest.fixture
def publish(unique_id: str) -> Iterator[Callable[..., str]]:
    """Open a signal stream like `amp`; returns its source id."""
    outlets: list[SignalOutlet] = []

    def open_one(**changes: Any) -> str:
        outlets.append(SignalOutlet(amp(unique_id, **changes)))
        return unique_id

    yield open_one
    for outlet in outlets:
        outlet.close()


@pytest.mark.lsl
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ch_names": ("E0", "E1", "X", "Y")}, "channels: 2 of 4 expected are missing: E2, E3; the stream has 4: E0"),
        ({"sfreq": 256.0}, "rate: expected 250 Hz, the stream has 256 Hz"),
        ({"unit": "volts"}, "unit: expected microvolts, the stream has volts"),
        ({"unit": ""}, "unit: expected microvolts, the stream does not say its unit"),
    ],
    ids=["channels", "rate", "unit", "no unit"],
)
def test_live_refuses_another_stream_with_the_difference(
    streamkit: Any, things: Path, publish: Callable[..., str], changes: dict[str, Any], line: str
) -> None:
    uid = publish(**changes)
    said = streamkit("live", things / "hop.bundle", "--stream", f"source_id={uid}", "--json")
    assert (said.status, said.out) == (2, "")
    assert "error: stream 'amp' is not what the bundle was calibrated on" in said.err
    assert line in said.err


@pytest.mark.lsl
@pytest.mark.parametrize("verb", ["live", "record"])
def test_no_stream_found_lists_what_was(
    streamkit: Any, things: Path, tmp_path: Path, publish: Callable[..., str], verb: str
) -> None:
    uid = publish()
    target = things / "hop.bundle" if verb == "live" else tmp_path / "out"
    said = streamkit(verb, target, "--stream", "name=nobody-has-this", "--timeout", "0.3", "--json")
    assert (said.status, said.out) == (1, "")
    assert "matched 'name=nobody-has-this' within 0.3 s. These were found:" in said.err
    assert f"name=amp type=EEG source_id={uid} (4 ch, 250 Hz, on " in said.err
    assert "Start the source (or `streamkit replay RECORDING`)" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.lsl
def test_streams_says_that_the_query_matched_nothing(streamkit: Any, unique_id: str) -> None:
    said = streamkit("streams", f"source_id={unique_id}", "--timeout", "0.1")
    assert f"no stream matched 'source_id={unique_id}' within 0.1 s" in said.out
    said = streamkit("streams", f"source_id={unique_id}", "--timeout", "0.1", "--json")
    assert json.loads(said.out) == {"streams": []}


@pytest.mark.lsl
def test_an_event_decoder_without_markers_says_that_none_was_found(
    streamkit: Any, things: Path, publish: Callable[..., str], unique_id: str
) -> None:
    query = f"source_id={publish()}"
    line = ("live", things / "event.bundle", "--stream", query, "--markers", f"source_id={unique_id}-markers")
    said = streamkit(*line, "--timeout", "1.2", "--json")
    assert (said.status, said.out) == (1, "")
    assert f"no marker stream matched 'source_id={unique_id}-markers' within 1.2 s. These were found:" in said.err
    assert "source_id=" + unique_id in said.err


@pytest.mark.lsl
def test_a_text_stream_is_not_a_signal(streamkit: Any, things: Path, unique_id: str) -> None:
    outlet = MarkerOutlet("events", unique_id, "string")
    said = streamkit("live", things / "hop.bundle", "--stream", f"source_id={unique_id}", "--json")
    outlet.close()
    assert (said.status, said.out) == (1, "")
    assert f"stream 'events' matches 'source_id={unique_id}' but carries text, not a signal" in said.err


@pytest.mark.lsl
def test_a_replay_nobody_reads_names_the_stream(streamkit: Any, things: Path) -> None:
    said = streamkit("replay", things / "recording", "--wait", "0", "--base", "alone")
    assert said.status == 1
    assert "nobody subscribed to the replayed stream 'events' (source_id alone/events) within 0 s" in said.err
    assert "Start the reader first, or replay without waiting" in said.err


def test_a_defect_is_called_one_and_the_traceback_is_kept_for_the_asking(things: Path) -> None:
    code = (
        "import sys, apps.commands.streams as s; s.listing = lambda *_: 1 / 0;"
        "from apps.cli import main; main(['streams', '--json'])"
    )
    plain = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr.startswith("error: this is a defect in streamkit: ZeroDivisionError: division by zero.")
    assert "STREAMKIT_TRACEBACK=1" in plain.stderr
    assert "Traceback" not in plain.stderr
