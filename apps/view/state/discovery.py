"""DiscoveryState: what was searched, what was found, and which stream plays which part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Found:
    """One stream as the network announces it."""

    name: str
    type: str
    n_chans: int
    sfreq: float
    hostname: str
    source_id: str
    uid: str
    numeric: bool = True
    created: float = 0.0

    @property
    def base(self) -> str:
        """What the source ids of all streams of one replay, or of one session, begin with; may be empty."""
        return self.source_id.rpartition("/")[0]

    def line(self) -> str:
        """One line for a person."""
        rate = f"{self.sfreq:g} Hz" if self.sfreq else "irregular"
        return f"{self.name} · {self.type or 'no type'} · {self.n_chans} ch · {rate} · {self.hostname}"


SESSION_PARTS = {"-prediction": "prediction", "-decisions": "decisions", "-latency": "latency", "-health": "health"}
SESSION_PARTS |= {"-predicted": "epochs_predicted", "-recorded": "epochs_recorded"}
SESSION_PARTS |= {"-encoding": "encoding", "-candidates": "candidates"}
OUTPUT_TYPES = ("Prediction", "Decision", "Latency", "Health", "Image", "Epochs", "Encoding", "Candidates")


def matches(query: str, stream: Found) -> bool:
    """True when `stream` answers `query`: ``"name=…,type=…,source_id=…"``, a trailing ``*`` allowed, or a bare name."""
    if not query:
        return True
    if "=" not in query:
        return any(_answers(query, value) for value in (stream.name, stream.source_id))
    wanted = dict(part.split("=", 1) for part in query.split(",") if "=" in part)
    fields = {
        "name": stream.name,
        "type": stream.type,
        "source_id": stream.source_id,
        "hostname": stream.hostname,
        "uid": stream.uid,
    }
    return all(_answers(value.strip(), fields.get(key.strip(), "")) for key, value in wanted.items())


def _answers(wanted: str, value: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


@dataclass
class DiscoveryState:
    """What is on the network.

    Attributes
    ----------
    stream_query
        Which signal stream was asked for; empty means any.
    base
        When not empty, only signals whose source ids begin with it are shown.
    session
        Name of the live session that was asked for; empty means any.
    found
        All streams in reach now.
    began
        Wall-clock time at which the search began.
    """

    stream_query: str = ""
    session: str = ""
    base: str = ""
    found: tuple[Found, ...] = ()
    began: float = 0.0
    chosen: str = ""
    target: str = ""
    roles: dict[str, Found] = field(default_factory=dict)

    def update(self, found: Sequence[Found]) -> dict[str, Found]:
        """Take in the streams in reach; returns the part each of them plays (``markers:ID`` for markers)."""
        self.found = tuple(sorted(found, key=lambda s: (s.name, s.source_id)))
        roles = self._session_streams()
        signal = self._signal()
        if signal is not None:
            roles["signal"] = signal
        shown = self._beside(signal, roles, [s for s in self.found if s.type == "Image" and s.name.endswith("-shown")])
        if shown:
            roles["shown"] = max(shown, key=lambda s: s.created)
        markers = [s for s in self.found if s.sfreq == 0 and s.type == "Markers"]
        for stream in self._beside(signal, roles, markers):
            roles[f"markers:{stream.source_id or stream.name}"] = stream
        self.roles = roles
        return roles

    def signals(self) -> list[Found]:
        """Streams that the signal panel could show."""
        return [s for s in self.found if s.numeric and s.sfreq > 0 and s.type not in OUTPUT_TYPES]

    def searched(self) -> str:
        """What is being looked for, in words."""
        signal = f"a signal stream matching {self.stream_query!r}" if self.stream_query else "any signal stream"
        session = f"a live session named {self.session!r}" if self.session else "any live session"
        return f"{signal}, and {session}"

    def _signal(self) -> Found | None:
        candidates = [s for s in self.signals() if matches(self.stream_query, s) and self.base in ("", s.base)]
        for wanted in (self.chosen, self.target):
            for stream in candidates:
                if wanted and wanted in (stream.uid, stream.source_id, stream.name):
                    return stream
        held = self.roles.get("signal")
        if held is not None and any(stream.uid == held.uid for stream in candidates):
            return held
        return max(candidates, key=lambda s: (s.n_chans, s.created), default=None)

    def _session_streams(self) -> dict[str, Found]:
        """The streams of one session: the named one, else the newest; all from one run (same source-id base)."""
        parts: dict[str, dict[str, Found]] = {}
        for stream in self.found:
            for ending, role in SESSION_PARTS.items():
                name = stream.name.removesuffix(ending)
                if name != stream.name and self.session in ("", name) and stream.type in OUTPUT_TYPES:
                    parts.setdefault(f"{name}|{stream.base}", {})[role] = stream
        newest = max(parts.values(), key=lambda streams: max(s.created for s in streams.values()), default=None)
        return dict(newest or {})

    def _beside(self, signal: Found | None, roles: dict[str, Found], streams: list[Found]) -> list[Found]:
        """Those that come from the same source as the signal, or from the session.

        All of them when there are none and the signal's source id does not say what else belongs to it.
        """
        bases = {stream.base for stream in (signal, *roles.values()) if stream is not None and stream.base}
        told = self.base or (signal is not None and signal.base)
        return [stream for stream in streams if stream.base in bases] or ([] if told else streams)
