"""Feed: from LSL into the states, called from a timer, never waiting.

Emptying all seven inlets of a session with 64 channels at 1 kHz takes 0.6 ms of each frame of 20 ms (99th percentile
1.4 ms, on two shared cores); a thread of our own would cost locks and Python's 5 ms switch interval to save that.
Resolving and opening, which do block, happen in liblsl's and in short-lived threads. What is not fetched in time is
dropped by liblsl, oldest first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pylsl

from apps.view.connection import Connection
from apps.view.state.discovery import Found
from apps.view.state.view import Output, ViewState
from streamkit.lsl.epochs import FACTS, MEASURES
from streamkit.types import Event, StreamSpec

LOOK_EVERY_S = 0.5
BUFFER = {"signal": 12, "shown": 1, "prediction": 1, "candidates": 1, "epochs_predicted": 40, "epochs_recorded": 40}


def found_from(info: pylsl.StreamInfo) -> Found:
    """One announced stream, as the states know it."""
    return Found(
        name=info.name(),
        type=info.type(),
        n_chans=info.channel_count(),
        sfreq=info.nominal_srate(),
        hostname=info.hostname(),
        source_id=info.source_id(),
        uid=info.uid(),
        numeric=info.channel_format() != pylsl.cf_string,
        created=info.created_at(),
    )


class Feed:
    """Keeps one connection per part that a stream plays, and moves what arrives into the states.

    Parameters
    ----------
    state
        What to fill.
    resolver
        Gives the streams in reach; a `pylsl.ContinuousResolver` by default.
    wall
        Wall clock in seconds.
    """

    def __init__(
        self,
        state: ViewState,
        resolver: Callable[[], Iterable[pylsl.StreamInfo]] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self.wall = wall
        self.connections: dict[str, Connection] = {}
        self._resolver = None if resolver else pylsl.ContinuousResolver(forget_after=3.0)
        self._results = resolver or self._resolver.results  # type: ignore[union-attr]
        self._ready: set[str] = set()
        self._given_up: dict[str, float] = {}
        self._looked = -np.inf
        self._tried: set[str] = set()
        self._recorded_columns: list[int] = []
        state.discovery.began = wall()

    def poll(self) -> None:
        """Look for streams now and then; empty every open one; never wait."""
        now = self.wall()
        if now - self._looked >= LOOK_EVERY_S:
            self._looked = now
            self._look()
        for role in sorted(self.connections):
            self._serve(role, self.connections[role], now)

    def choose(self, source_id: str) -> None:
        """Show this signal stream from now on."""
        self.state.discovery.chosen = source_id
        self._looked = -np.inf

    def close(self) -> None:
        """Let go of all streams."""
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def _look(self) -> None:
        infos = {info.uid(): info for info in self._results()}
        roles = self.state.discovery.update([found_from(info) for info in infos.values()])
        for role in list(self.connections):
            self._drop_unless_wanted(role, roles, infos)
        for role, found in roles.items():
            if role not in self.connections and self._given_up.get(found.uid, -np.inf) < self._looked - 5.0:
                self._given_up[found.uid] = self._looked
                self.connections[role] = Connection(infos[found.uid], BUFFER.get(role, 4))
        self._find_recorded(roles, infos)

    def _drop_unless_wanted(self, role: str, roles: dict[str, Found], infos: dict[str, Any]) -> None:
        """Let go of what was lost, was replaced, or is in reach and plays this part no longer.

        A stream out of reach may come back: it is held until its connection is lost.
        """
        held = self.connections[role]
        wanted = roles.get(role)
        if role == "recorded":
            unwanted = held.uid not in infos
        elif wanted is None:
            unwanted = held.uid in infos
            if unwanted and role.startswith("markers:") and held.spec is not None:
                self.state.signals.forget_events(held.spec.name)
        else:
            unwanted = wanted.uid != held.uid
        if held.lost or unwanted:
            held.close()
            del self.connections[role]
            self._ready.discard(role)
            self.state.connected.discard(role)
            self._mark_lost(role)

    def _mark_lost(self, role: str) -> None:
        state = self.state
        for fresh in {
            "signal": [state.signals.freshness],
            "prediction": [state.decisions.freshness, state.values.freshness, state.images.freshness],
            "latency": [state.latency.freshness],
            "health": [state.health.freshness],
            "shown": [state.images.shown_fresh],
            "candidates": [state.candidates.freshness],
            "encoding": [state.encoding.freshness],
        }.get(role, []):
            fresh.lost = True

    def _serve(self, role: str, connection: Connection, now: float) -> None:
        if connection.spec is None or connection.lost:
            return
        if role == "recorded" and not self.state.values.recorded_names:
            return
        if role not in self._ready:
            self._ready.add(role)
            self.state.connected.add(role)
            self._configure(role, connection.spec)
        part = role.split(":", 1)[0]
        getattr(self, f"_take_{part}")(connection, now)

    def _configure(self, role: str, spec: StreamSpec) -> None:
        """A stream has just opened: tell the state that it feeds what to expect."""
        state, said = self.state, spec.description
        if said.get("simulated", "").lower() in ("true", "1", "yes"):
            state.simulated = True
        if role == "signal":
            state.simulated = said.get("simulated", "").lower() in ("true", "1", "yes")
            state.signals.configure(spec)
        elif role == "latency":
            state.latency.configure(spec.ch_names)
        elif role == "prediction":
            self._configure_prediction(spec)
        elif role == "encoding":
            self._configure_encoding(spec)
        elif role == "epochs_predicted":
            state.encoding.unit = spec.unit

    def _configure_prediction(self, spec: StreamSpec) -> None:
        state, said = self.state, spec.description
        state.health.facts = said
        state.health.name = spec.name.removesuffix("-prediction")
        labels = tuple(_json(said.get("labels"), list(spec.ch_names)))
        state.output = _output(spec)
        state.discovery.target = said.get("target", "")
        self._looked = -np.inf
        if "encoding" not in state.discovery.roles:
            state.encoding.configure((), 0.0, 0, 0.0, ())
        if state.output == "image":
            state.images.clear()
        elif state.output == "values":
            state.values.configure(labels, said.get("unit", ""))
        else:
            state.decisions.configure(labels, dict(_json(said.get("classes"), {})), _json(said.get("chance"), None))
            state.candidates.configure(len(labels))

    def _configure_encoding(self, spec: StreamSpec) -> None:
        said, correlations = spec.description, spec.ch_names[len(FACTS) :]
        names = tuple(name.removeprefix("r ") for name in correlations[: len(correlations) // len(MEASURES)])
        n_times, sfreq, tmin = (_number(said.get(key)) for key in ("n_times", "sfreq", "tmin"))
        labels = tuple(map(str, _json(said.get("labels"), [])))
        self.state.encoding.configure(names, sfreq, int(n_times), tmin, labels)

    def _take_signal(self, connection: Connection, now: float) -> None:
        data, stamps = connection.pull_numbers()
        self.state.signals.push(data, stamps, now)

    def _take_markers(self, connection: Connection, now: float) -> None:
        name = connection.spec.name if connection.spec else ""
        if connection.numeric:
            rows, stamps = connection.pull_numbers()
            pairs = [(f"{row[0]:g}", float(stamp)) for row, stamp in zip(rows, stamps, strict=True)]
        else:
            pairs = connection.pull_strings()
        for label, stamp in pairs:
            self.state.signals.add_event(Event(label, stamp, name))

    def _take_shown(self, connection: Connection, now: float) -> None:
        for stamp, image in self._images(connection):
            self.state.images.add_shown(stamp, image, now)

    def _take_prediction(self, connection: Connection, now: float) -> None:
        if self.state.output == "image":
            for stamp, image in self._images(connection):
                self.state.images.add_seen(stamp, image, now)
            return
        rows, stamps = connection.pull_numbers()
        if not len(stamps):
            return
        if self.state.output == "values":
            self.state.values.push(np.asarray(rows, np.float32), stamps, now)
        else:
            self.state.decisions.push_values(np.array(rows[-1], np.float32), now)

    def _take_decisions(self, connection: Connection, now: float) -> None:
        for text, stamp in connection.pull_strings():
            said = self.state.decisions.push_decision(text, now)
            if said:
                truth = self.state.decisions.truth_of(said.get("event"))
                self.state.candidates.tell(stamp, said, truth, connection.offset())
            if said and isinstance(said.get("event_stamp"), (int, float)):
                self.state.images.tell_event(stamp, float(said["event_stamp"]) + connection.offset())

    def _take_candidates(self, connection: Connection, now: float) -> None:
        rows, stamps = connection.pull_numbers()
        shape = _lengths(connection.spec)
        if len(stamps) and len(shape) == 4:
            self.state.candidates.push(float(stamps[-1]), np.array(rows[-1], np.float32).reshape(shape), now)

    def _take_epochs_predicted(self, connection: Connection, now: float) -> None:
        rows, stamps = connection.pull_numbers()
        self.state.encoding.push_rows("predicted", np.asarray(rows, np.float32), stamps)

    def _take_epochs_recorded(self, connection: Connection, now: float) -> None:
        rows, stamps = connection.pull_numbers()
        self.state.encoding.push_rows("recorded", np.asarray(rows, np.float32), stamps)

    def _take_encoding(self, connection: Connection, now: float) -> None:
        rows, stamps = connection.pull_numbers()
        for row, stamp in zip(np.array(rows, float), stamps, strict=True):
            self.state.encoding.push_report(row, float(stamp), now)

    def _take_latency(self, connection: Connection, now: float) -> None:
        rows, _ = connection.pull_numbers()
        self.state.latency.push(np.asarray(rows, float), now)

    def _take_health(self, connection: Connection, now: float) -> None:
        if not self.state.health.name and connection.spec is not None:
            self.state.health.name = connection.spec.name.removesuffix("-health")
        lsl_now = pylsl.local_clock()
        for text, _ in connection.pull_strings():
            self.state.health.push(text, now, lsl_now - connection.offset())

    def _take_recorded(self, connection: Connection, now: float) -> None:
        rows, stamps = connection.pull_numbers()
        self.state.values.push_recorded(np.asarray(rows, np.float32)[:, self._recorded_columns], stamps)

    def _images(self, connection: Connection) -> Iterable[tuple[float, np.ndarray[Any, Any]]]:
        rows, stamps = connection.pull_numbers()
        if not len(stamps) or connection.spec is None:
            return []
        shape = image_shape(connection.spec)
        return [(float(t), np.array(row, np.float32).reshape(shape)) for t, row in zip(stamps, rows, strict=True)]

    def _find_recorded(self, roles: dict[str, Found], infos: dict[str, Any]) -> None:
        """A second signal stream that carries what the model predicts is drawn beside the prediction."""
        held = self.connections.get("recorded")
        values = self.state.values
        if self.state.output != "values" or values.recorded_names:
            return
        if held is not None and held.spec is not None:
            names = tuple(label for label in values.labels if label in held.spec.ch_names)
            if names:
                self._recorded_columns = [held.spec.ch_names.index(name) for name in names]
                values.recorded_names = names
                return
            held.close()
            del self.connections["recorded"]
        shown = roles.get("signal")
        for found in self.state.discovery.signals():
            is_new = found.uid not in self._tried
            if "recorded" not in self.connections and is_new and (shown is None or found.uid != shown.uid):
                self._tried.add(found.uid)
                self.connections["recorded"] = Connection(infos[found.uid], 4)


def image_shape(spec: StreamSpec) -> tuple[int, int, int]:
    """``(channels, height, width)`` of an image stream: as described, else a square grey image."""
    said = _lengths(spec)
    if len(said) == 3:
        return said[0], said[1], said[2]
    side = int(np.sqrt(spec.n_chans))
    return (1, side, side) if side * side == spec.n_chans else (1, 1, spec.n_chans)


def _lengths(spec: StreamSpec | None) -> tuple[int, ...]:
    """Shape of each sample as described; nothing where that is not said, or does not fit."""
    if spec is None:
        return ()
    said = tuple(int(n) for n in spec.description.get("shape", "").split(",") if n.strip().isdigit())
    return said if said and int(np.prod(said)) == spec.n_chans else ()


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _output(spec: StreamSpec) -> Output:
    kind = spec.description.get("kind", "")
    if spec.type == "Image" or kind == "image":
        return "image"
    return "values" if kind == "values" else "probabilities"


def _json(text: str | None, otherwise: Any) -> Any:
    try:
        return otherwise if not text else json.loads(text)
    except ValueError:
        return otherwise
