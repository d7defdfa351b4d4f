"""What the decode loop touches: inlets, pipeline, outlets; found, built, opened and closed together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkit.bundle import ModelBundle
from streamkit.encoding import Predictor
from streamkit.inference import Runner
from streamkit.inference.runners import Rehearsal
from streamkit.ledger import Ledger
from streamkit.lsl import wire
from streamkit.lsl.broadcast import Broadcast
from streamkit.lsl.contract import channel_picks, check
from streamkit.lsl.gallery import CandidateOutlet
from streamkit.lsl.health import State
from streamkit.lsl.selection import await_signal
from streamkit.lsl.stimuli import StimulusOutlet, load_stimuli, open_stimuli
from streamkit.lsl.supervised import SupervisedMarkers, SupervisedSignal
from streamkit.pipeline import Pipeline
from streamkit.preprocess import WindowConfig
from streamkit.recording.images import Pixels
from streamkit.session.encoding import Encoding, build_encoding
from streamkit.session.errands import Errands
from streamkit.session.markers import MarkerStreams
from streamkit.session.options import SessionOptions
from streamkit.session.sides import Sides
from streamkit.session.warmth import Warmth
from streamkit.types import StreamSpec


@dataclass
class Rig:
    """Everything between the streams that come in and those that go out."""

    signal: SupervisedSignal
    sides: Sides
    markers: MarkerStreams
    pipeline: Pipeline
    broadcast: Broadcast
    shown: StimulusOutlet | None
    warmth: Warmth | None = None
    encoding: Encoding | None = None
    candidates: CandidateOutlet | None = None
    errands: Errands | None = None

    @property
    def inputs(self) -> tuple[StreamSpec, ...]:
        """The primary stream, the side streams and the marker streams, as far as they are there."""
        sides, markers = self.sides.inlets, self.markers.inlets
        return (self.signal.spec, *(inlet.spec for inlet in sides), *(inlet.spec for inlet in markers))

    @property
    def trouble(self) -> tuple[State, str] | None:
        """State and message of an input without which nothing is decoded; None while all are there."""
        needed: list[SupervisedSignal | SupervisedMarkers] = [self.signal]
        needed += self.markers.needed
        for inlet in needed:
            if inlet.state != "live":
                return inlet.state, inlet.message
        return None

    @property
    def counts(self) -> dict[str, int]:
        """How often inputs were lost, came back, and were refused."""
        counts = [inlet.counts for inlet in (self.signal, *self.sides.inlets)]
        counts += [inlet.counts for inlet in self.markers.inlets]
        return {key: sum(each[key] for each in counts) for key in self.signal.counts}

    @property
    def has_consumers(self) -> bool:
        """Whether anybody listens to anything that leaves."""
        epochs = list(self.encoding.broadcast.outlets.values()) if self.encoding else []
        return any(outlet is not None and outlet.has_consumers for outlet in (self.broadcast, self.candidates, *epochs))

    def open(self) -> None:
        """Subscribe; from here on nothing is missed."""
        self.markers.open(self.signal.spec)
        self.sides.open(self.signal.spec)
        self.signal.open()

    def close(self) -> None:
        """End the outlets, then the inlets."""
        shown = self.shown.outlet if self.shown is not None else None
        for outlet in (self.broadcast, shown, self.encoding, self.candidates):
            if outlet is not None:
                outlet.close()
        self.signal.close()
        self.sides.close()
        self.markers.close()


def read_images(bundle: ModelBundle, options: SessionOptions) -> Mapping[str, Pixels]:
    """Every image that a marker may name, by label, in the shape of a decoded one; see `load_stimuli`."""
    if options.stimuli is None:
        return {}
    output = bundle.contract.output
    return load_stimuli(options.stimuli, output.shape if output.kind == "image" else None)


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


def find_sides(bundle: ModelBundle, options: SessionOptions, signal: StreamSpec, tick: Callable[[], None]) -> Sides:
    """Wait for the side streams of the contract beside `signal`; raises as `find_signal` does."""
    sides = Sides(bundle.contract, options)
    sides.find(signal, options.resolve_timeout, tick)
    return sides


def find_markers(
    bundle: ModelBundle, options: SessionOptions, signal: StreamSpec, sides: Sides, tick: Callable[[], None]
) -> MarkerStreams:
    """Wait for the marker streams that go with `signal`; a continuous decoder needs none, and may have use for them."""
    required = bundle.contract.window.mode == "event"
    uses = (options.markers, options.stimuli, bundle.contract.encoding)
    wanted = required or any(use is not None for use in uses)
    markers = MarkerStreams(options, wanted=wanted, required=required)
    markers.find(signal, [inlet.spec for inlet in sides.inlets], options.resolve_timeout, tick)
    return markers


def build_rig(
    bundle: ModelBundle,
    options: SessionOptions,
    signal: SupervisedSignal,
    sides: Sides,
    markers: MarkerStreams,
    images: Mapping[str, Pixels],
    runner: Runner,
    predictor: Predictor | None,
    ledgers: tuple[Ledger, Ledger],
) -> Rig:
    """Put the pipeline between the inlets and new outlets; what follows an answer is left to a thread of its own."""
    contract, name, uid = bundle.contract, options.name, options.uid
    picks = channel_picks(contract.stream, signal.spec)
    pipeline = Pipeline(
        contract.stream,
        contract.preprocess,
        contract.window,
        runner,
        picks=picks,
        also=contract.also,
        speed=signal.timeline.speed,
        encoding=None if predictor is None else contract.encoding,
    )
    keys = session_keys(bundle, signal.spec, runner.backend)
    broadcast = Broadcast(name, uid, contract.output, keys, ledgers[0])
    shown = None
    if images:
        shown = open_stimuli(images, wire.stream_name(name, wire.SHOWN), wire.source_id(name, uid, wire.SHOWN), keys)
    warmth = warmth_of(bundle, pipeline, runner) if options.warm else None
    encoding = build_encoding(bundle, name, uid, predictor, keys, ledgers[1])
    candidates = candidates_of(bundle, name, uid, keys)
    errands = Errands() if encoding or candidates else None
    return Rig(signal, sides, markers, pipeline, broadcast, shown, warmth, encoding, candidates, errands)


def candidates_of(bundle: ModelBundle, name: str, uid: str, keys: dict[str, Any]) -> CandidateOutlet | None:
    """Open the stream of pictures of what is likeliest; None where the bundle has no pictures."""
    gallery = bundle.gallery()
    if gallery is None:
        return None
    title, source = wire.stream_name(name, wire.CANDIDATES), wire.source_id(name, uid, wire.CANDIDATES)
    return CandidateOutlet(title, gallery, source, keys)


def warmth_of(bundle: ModelBundle, pipeline: Pipeline, runner: Runner) -> Warmth:
    """Build what keeps `pipeline` warm: a twin of it that cuts windows often and leaves no trace in the runner."""
    contract = bundle.contract
    n_times = contract.window.n_times
    often = WindowConfig(mode="hop", n_times=n_times, hop=max(1, n_times // 16))
    history = 1.0  # the twin hears no late marker
    twin = Pipeline(contract.stream, contract.preprocess, often, Rehearsal(runner), also=contract.also, history=history)
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
