"""Every XDF file that others recorded reads, replays and is recorded again without loss."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from benchmarks.rerecord import Played, differences, rerecord, xdf_files
from streamkit.recording import Recording, read_recording, write_recording
from tests.conftest import REAL_DATA
from tests.recording.walker import Walk, walk

pytestmark = [pytest.mark.data, pytest.mark.lsl, pytest.mark.timeout(180)]

LONGEST_S = 4.0
FILES = xdf_files(REAL_DATA) if REAL_DATA.is_dir() else []
NAMES = [str(path.relative_to(REAL_DATA)) for path in FILES]


def key(name: str) -> str:
    """What the replay of a file is called."""
    return f"f{NAMES.index(name)}-{RUN}"


RUN = uuid.uuid4().hex[:8]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rerecord") / "all"


@pytest.fixture(scope="module")
def played(real_data: Path, out: Path) -> dict[str, Played]:
    """All of them replayed at once, fast, and recorded together."""
    return rerecord({key(name): read_recording(real_data / name) for name in NAMES}, out, LONGEST_S)


@pytest.fixture(scope="module")
def file(played: dict[str, Played], out: Path) -> Walk:
    return walk(out / "recording.xdf")


def test_there_are_files_to_try() -> None:
    if not REAL_DATA.is_dir():
        pytest.skip(f"real recordings are not at {REAL_DATA}")
    assert len(FILES) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_the_file_holds(name: str, real_data: Path) -> None:
    recording = read_recording(real_data / name)
    with np.errstate(all="ignore"):
        streams, _ = pyxdf.load_xdf(real_data / name, dejitter_timestamps=False)
    kept = [s for s in streams if len(s["time_stamps"])]
    ours = {s.stamps.tobytes(): s for s in (*recording.signals, *recording.markers)}
    assert len(ours) == len(kept)
    for stream in kept:
        found = ours[stream["time_stamps"].tobytes()]
        if stream["info"]["channel_format"] == ["string"]:
            assert list(found.labels) == [row[0] for row in stream["time_series"]]
        else:
            assert found.data.tobytes() == stream["time_series"].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_played_is_recorded_again(name: str, played: dict[str, Played], file: Walk) -> None:
    one = played[key(name)]
    by_source = {stream.header.findtext("source_id"): stream for stream in file.streams.values()}
    streams = (*one.recording.signals, *one.recording.markers)
    assert len(streams) >= 1
    for stream in streams:
        found = by_source[f"{key(name)}/{stream.spec.name}"]
        assert differences(one, stream, found) == []
        assert found.footer is not None
        assert len(found.offsets) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_what_was_read(name: str, real_data: Path, tmp_path: Path) -> None:
    recording: Recording = read_recording(real_data / name)
    write_recording(recording, tmp_path / "x")
    found = walk(tmp_path / "x" / "recording.xdf")
    for stream in recording.signals:
        assert found.named(stream.spec.name).values.tobytes() == stream.data.tobytes()
        assert found.named(stream.spec.name).times.tobytes() == stream.stamps.tobytes()
    for stream in recording.markers:
        assert [row[0] for row in found.named(stream.spec.name).values] == list(stream.labels)
        assert found.named(stream.spec.name).times.tobytes() == stream.stamps.tobytes()
