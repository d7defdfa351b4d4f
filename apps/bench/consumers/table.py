"""The table of consumers: how each is started, what it needs, what it is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.bench.job import Job
from streamkit.errors import ConfigError, MissingPackage, did_you_mean, require


@dataclass(frozen=True)
class Place:
    """Where one consumer works in one run.

    Attributes
    ----------
    source, session, uid
        Source id (and name) of the signal; name and unique id of a streamkit session.
    bundle, onnx
        The network, packed and bare: the same file.
    """

    source: str
    session: str
    uid: str
    bundle: Path
    onnx: Path


@dataclass(frozen=True)
class Consumer:
    """One way to do the job.

    Attributes
    ----------
    name, summary
        As ``--consumers`` takes it; one line for people.
    needs
        Modules that must be importable.
    command
        Words that start it.
    out
        Source id of the stream of predictions.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    command: Callable[[Job, Place], list[str]]
    out: Callable[[Place], str] = lambda place: f"{place.source}-out"

    def why_not(self) -> str:
        """Why it cannot run here and what to install; empty when it can."""
        for module in self.needs:
            try:
                require(module, "bench", f"the consumer {self.name}")
            except MissingPackage as error:
                return str(error)
        return ""


def _program(module: str, *options: str) -> Callable[[Job, Place], list[str]]:
    def command(job: Job, place: Place) -> list[str]:
        words = [job.model_dump_json(), place.source, f"{place.source}-out", str(place.onnx), *options]
        return [sys.executable, "-m", f"apps.bench.consumers.{module}", *words]

    return command


def streamkit_live(*options: str) -> Callable[[Job, Place], list[str]]:
    """``streamkit live`` as anybody would type it, with more options."""

    def command(job: Job, place: Place) -> list[str]:
        called = ["--stream", f"source_id={place.source}", "--name", place.session, "--uid", place.uid]
        options_of_all = ["--backend", "openvino", "--timeout", "30", "--json"]
        return [sys.executable, "-m", "apps.cli", "live", str(place.bundle), *called, *options_of_all, *options]

    return command


def prediction_of(place: Place) -> str:
    """Source id of a session's predictions."""
    wire = importlib.import_module("streamkit.lsl.wire")
    out: str = wire.source_id(place.session, place.uid, wire.PREDICTION)
    return out


MNE_LSL = ("openvino", "mne_lsl")
EZMSG = ("openvino", "ezmsg.lsl.inlet", "ezmsg.sigproc.window")
CONSUMERS = {
    row.name: row
    for row in (
        Consumer("streamkit", "`streamkit live` with a bundle", ("openvino",), streamkit_live(), prediction_of),
        Consumer("openvino_loop", "by hand: pylsl, SciPy, concatenate", ("openvino",), _program("openvino_loop")),
        Consumer("mne_lsl", "StreamLSL, its defaults", MNE_LSL, _program("mne_lsl_stream")),
        Consumer("ezmsg", "inlet, Butterworth, Window, a unit; its defaults", EZMSG, _program("ezmsg_graph")),
        Consumer(
            "streamkit_cold", "the same without rehearsals", ("openvino",), streamkit_live("--no-warm"), prediction_of
        ),
        Consumer("mne_lsl_best", "acquired by hand", MNE_LSL, _program("mne_lsl_stream", "manual")),
        Consumer("ezmsg_best", "windows that end a chunk", EZMSG, _program("ezmsg_graph", "none")),
    )
}
"""What ``--consumers`` knows."""

USUAL = ("streamkit", "openvino_loop", "mne_lsl", "ezmsg")


RING = "streamkit_ring_"


def with_ring(seconds: float) -> Consumer:
    """Streamkit keeping `seconds` of raw samples."""
    live = streamkit_live("--buffer", f"{seconds:g}")
    summary = f"`streamkit live` with a ring of {seconds:g} s"
    return Consumer(f"{RING}{seconds:g}s", summary, ("openvino",), live, prediction_of)


def find(names: str) -> list[Consumer]:
    """Look up comma-separated names; empty means `USUAL`, ``all`` the whole table.

    Raises
    ------
    ConfigError
        For a name that is not in the table.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(USUAL)
    if wanted == ["all"]:
        wanted = list(CONSUMERS)
    for name in wanted:
        if name not in CONSUMERS:
            raise ConfigError(
                f"--consumers: there is no consumer {name!r}, expected some of {', '.join(CONSUMERS)}, or all."
                f"{did_you_mean(name, CONSUMERS)}"
            )
    return [CONSUMERS[name] for name in dict.fromkeys(wanted)]
