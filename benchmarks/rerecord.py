"""Play XDF files again, record what is played, and compare the two value by value.

    python -m benchmarks.rerecord ../shared/data > benchmarks/results/rerecord.json

Every file below the folder is replayed at its own speed, all at once, and recorded by one recorder. A stream came
back whole when it has the same samples bit for bit, and the stamps of the file plus one constant, to the last bit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.entry import entry
from streamkit.record import Recorder
from streamkit.recording import Markers, Recording, Signal, read_recording
from streamkit.recording.read import XDF_SUFFIXES
from streamkit.replay import Replay

START_S = 60.0


@dataclass(frozen=True)
class Played:
    """One recording and the replay of it."""

    recording: Recording
    replay: Replay

    def stamps(self, stream: Signal | Markers) -> np.ndarray:
        """The stamps under which a stream went out."""
        return stream.stamps / self.replay.speed + self.replay.shift


def xdf_files(folder: Path) -> list[Path]:
    """Every XDF file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(XDF_SUFFIXES))


@contextmanager
def playing(replays: list[Replay]) -> Iterator[list[threading.Thread]]:
    """The replays in threads, their streams in reach."""
    threads = [threading.Thread(target=replay.run) for replay in replays]
    for thread in threads:
        thread.start()
    try:
        for replay in replays:
            if not replay.opened.wait(START_S):
                raise TimeoutError("a replay did not open its streams")
        yield threads
    finally:
        for replay, thread in zip(replays, threads, strict=True):
            replay.stop()
            thread.join()


def rerecord(recordings: Mapping[str, Recording], out: Path, longest: float | None = None) -> dict[str, Played]:
    """Replay recordings and record them to `out`; streams are called ``name/stream``.

    Parameters
    ----------
    recordings
        By a name that becomes the base of their source ids.
    out
        The folder to make.
    longest
        Play so fast that none takes longer than so many seconds; None plays at the recordings' own speed.
    """
    go = threading.Event()
    played = {}
    for name, recording in recordings.items():
        first, last = recording.span
        speed = 1.0 if longest is None else max(1.0, (last - first) / longest)
        played[name] = Played(recording, Replay(recording, base=name, speed=speed, linger=1.0, go=go))
    queries = [f"source_id={uid}" for one in played.values() for uid in one.replay.source_ids.values()]
    with playing([one.replay for one in played.values()]) as threads, Recorder(out, queries, timeout=START_S):
        go.set()
        for thread in threads:
            thread.join()
    return played


def differences(one: Played, stream: Signal | Markers, found: Any) -> list[str]:
    """What of `stream` is not in `found`, which has ``values`` and ``times``."""
    if isinstance(stream, Signal):
        same = np.asarray(found.values).tobytes() == stream.data.tobytes() and found.format == stored(stream)
    else:
        same = [row[0] for row in found.values] == list(stream.labels)
    lines = [] if same else [f"{stream.spec.name}: other values"]
    return lines + ([] if np.array_equal(found.times, one.stamps(stream)) else [f"{stream.spec.name}: other stamps"])


def stored(signal: Signal) -> str:
    """The format in which XDF keeps the samples of a signal."""
    return {"float64": "double64"}.get(signal.data.dtype.name, signal.data.dtype.name)


@dataclass(frozen=True)
class Read:
    """A stream as pyxdf reads it."""

    values: Any
    times: np.ndarray
    format: str


def recorded(out: Path) -> dict[str, Read]:
    """Streams of a recorded folder by source id."""
    import pyxdf

    with np.errstate(all="ignore"):
        streams, _ = pyxdf.load_xdf(out / "recording.xdf", dejitter_timestamps=False)
    return {
        stream["info"]["source_id"][0]: Read(
            stream["time_series"], stream["time_stamps"], stream["info"]["channel_format"][0]
        )
        for stream in streams
    }


def main() -> None:
    """Do it for every file and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--longest", type=float, help="seconds that a replay may take; real time by default")
    chosen = parser.parse_args()
    files = xdf_files(chosen.data)
    recordings = {f"file{number}": read_recording(path) for number, path in enumerate(files)}
    with tempfile.TemporaryDirectory() as folder:
        played = rerecord(recordings, Path(folder) / "out", chosen.longest)
        found = recorded(Path(folder) / "out")
    report, wrong = {}, False
    for (name, one), path in zip(played.items(), files, strict=True):
        streams = (*one.recording.signals, *one.recording.markers)
        lines = [line for s in streams for line in differences(one, s, found[f"{name}/{s.spec.name}"])]
        report[str(path.relative_to(chosen.data))] = {
            "seconds": round(one.replay.period, 1),
            "samples": sum(len(s.stamps) for s in streams),
            "streams": len(streams),
            "differences": lines,
        }
        wrong |= bool(lines)
    speed = "real time" if chosen.longest is None else f"none longer than {chosen.longest:g} s"
    click.echo(json.dumps({"speed": speed, "files": report}, indent=1))
    sys.exit(int(wrong))


if __name__ == "__main__":
    entry(main)
