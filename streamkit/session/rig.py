"""What the decode loop touches: inlets, pipeline, outlets; found, built, opened and closed together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkit.bundle import ModelBundle
from streamkit.inference import Runner
from streamkit.ledger import Ledger
from streamkit.lsl import wire
from streamkit.lsl.broadcast import Broadcast
from streamkit.lsl.contract import channel_picks, check
from streamkit.lsl.health import State
from streamkit.lsl.selection import await_markers, await_signal
from streamkit.lsl.stimuli import StimulusOutlet, open_stimuli
from streamkit.lsl.supervised import SupervisedMarkers, SupervisedSignal
from streamkit.pipeline import Pipeline
from streamkit.preprocess import WindowConfig
from streamkit.session.options import SessionOptions
from streamkit.session.warmth import Warmth
from streamkit.types import StreamSpec


@dataclass
class Rig:
    """Everything between the streams that come in and those that go out."""

    signal: SupervisedSignal
    markers: list[SupervisedMarkers]
    pipeline: Pipeline
    broadcast: Broadcast
    shown: StimulusOutlet | None
    warmth: Warmth | None = None
    markers_needed: bool = True

    @property
    def inputs(self) -> tuple[StreamSpec, ...]:
        """The signal stream and the marker streams."""
        return (self.signal.spec, *(inlet.spec for inlet in self.markers))

    @property
    def trouble(self) -> tuple[State, str] | None:
        """State and message of an input without which nothing is decoded; None while all are there."""
        needed: list[SupervisedSignal | SupervisedMarkers] = [self.signal]
        needed += self.markers if self.markers_needed else []
        for inlet in needed:
            if inlet.state != "live":
                return inlet.state, inlet.message
        return None

    @property
    def counts(self) -> dict[str, int]:
        """How often inputs were lost, came back, and were refused."""
        counts = [self.signal.counts, *(inlet.counts for inlet in self.markers)]
        return {key: sum(each[key] for each in counts) for key in self.signal.counts}

    def open(self) -> None:
        """Subscribe; from here on nothing is missed."""
        for inlet in self.markers:
            inlet.open()
        self.signal.open()

    def close(self) -> None:
        """End the outlets, then the inlets."""
        self.broadcast.close()
        if self.shown is not None:
            self.shown.outlet.close()
        self.signal.close()
        for inlet in self.markers:
            inlet.close()


def find_signal(bundle: ModelBundle, options: SessionOptions, tick: Callable[[], None]) -> SupervisedSignal:
    """Wait for the signal stream, and refuse one that is not what the bundle was calibrated on.

    Raises
    ------
    StreamNotFound
        When there is none in time.
    ContractMismatch
        When it does not fit; with every difference.
    """
    expected = bundle.contract.stream
    info = await_signal(options.stream, expected, options.resolve_timeout, tick)
    inlet = SupervisedSignal(info, options.buffer)
    check(expected, inlet.spec)
    return inlet


def find_markers(
    bundle: ModelBundle, options: SessionOptions, signal: StreamSpec, tick: Callable[[], None]
) -> list[SupervisedMarkers]:
    """Wait for the marker streams that go with `signal`; a continuous decoder needs none."""
    required = bundle.contract.window.mode == "event"
    if not required and options.markers is None and options.stimuli is None:
        return []
    found = await_markers(options.markers, signal, options.resolve_timeout, tick, required=required)
    return [SupervisedMarkers(info) for info in found]


def build_rig(
    bundle: ModelBundle,
    options: SessionOptions,
    signal: SupervisedSignal,
    markers: list[SupervisedMarkers],
    runner: Runner,
    ledger: Ledger,
) -> Rig:
    """Put the pipeline between the inlets and new outlets."""
    contract, name, uid = bundle.contract, options.name, options.uid
    picks = channel_picks(contract.stream, signal.spec)
    speed = signal.timeline.speed
    pipeline = Pipeline(contract.stream, contract.preprocess, contract.window, runner, picks=picks, speed=speed)
    keys = session_keys(bundle, signal.spec, runner.backend)
    broadcast = Broadcast(name, uid, contract.output, keys, ledger)
    shown = options.stimuli and open_stimuli(
        options.stimuli,
        contract.output,
        wire.stream_name(name, wire.SHOWN),
        wire.source_id(name, uid, wire.SHOWN),
        keys,
    )
    warmth = warmth_of(bundle, pipeline, runner) if options.warm else None
    needed = contract.window.mode == "event"
    return Rig(signal, markers, pipeline, broadcast, shown or None, warmth, needed)


def warmth_of(bundle: ModelBundle, pipeline: Pipeline, runner: Runner) -> Warmth:
    """Build what keeps `pipeline` warm: a twin of it, cutting windows often."""
    contract = bundle.contract
    n_times = contract.window.n_times
    often = WindowConfig(mode="hop", n_times=n_times, hop=max(1, n_times // 16))
    history = 1.0  # the twin hears no late marker
    twin = Pipeline(contract.stream, contract.preprocess, often, runner, also=contract.also, history=history)
    return Warmth(twin, contract.stream, lambda: pipeline.missing)


def session_keys(bundle: ModelBundle, signal: StreamSpec, backend: str) -> dict[str, Any]:
    """Facts about a session, written into the description of its streams."""
    simulated = signal.description.get("simulated") == "true" or bundle.provenance.simulated
    return {
        "simulated": simulated,
        "bundle": Path(bundle.path).name,
        "hash": bundle.hash,
        "backend": backend,
        "target": signal.source_id or signal.name,
    }
