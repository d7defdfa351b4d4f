"""A live session that is none: every stream of the wire contract, from a made-up signal, for looking at the window.

Run it beside ``streamkit view``::

    python tests/view/fake_session.py --output image --seconds 60
"""

from __future__ import annotations

import argparse
import json
import threading
import uuid
from dataclasses import dataclass, field

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.lsl.wire import describe
from streamkit.types import StreamSpec

LABELS = {"probabilities": ("left hand", "right hand", "feet", "rest"), "values": ("force",), "image": ()}
STAGES = ("arrival", "preprocess", "window", "wait", "inference", "publish", "total")


@dataclass
class FakeSession:
    """Publishes signals (with a gap), markers, images, decisions, latency and health until stopped."""

    output: str = "image"
    name: str = "fake"
    n_chans: int = 64
    sfreq: float = 1000.0
    seed: int = 7
    every: float = 0.8
    gap: tuple[float, float] = (4.0, 5.2)
    simulated: bool = True
    session: bool = True
    shown: bool = True
    states: tuple[tuple[float, str, str], ...] = ((0.0, "live", ""),)
    silent_after: float = float("inf")
    counts: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    outlets: dict[str, pylsl.StreamOutlet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.uid = uuid.uuid4().hex[:8]
        self.pictures = [self._picture() for _ in range(24)]
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._open()

    def start(self) -> FakeSession:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.outlets.clear()

    def run(self, seconds: float = float("inf")) -> None:
        self.began = pylsl.local_clock()
        self.sent = 0
        self.seq = 0
        next_event, next_health, pending = 0.5, 0.0, []
        while not self._stop.wait(0.01):
            elapsed = pylsl.local_clock() - self.began
            if elapsed > seconds:
                return
            if elapsed < self.silent_after:
                self._signals(elapsed)
            if elapsed >= next_event and elapsed < self.silent_after:
                pending.append((elapsed + 0.35, *self._event(next_event)))
                next_event += self.every
            while pending and pending[0][0] <= elapsed:
                self._predict(*pending.pop(0)[1:])
            if elapsed >= next_health and self.session and elapsed < self.silent_after:
                self._health(elapsed)
                next_health += 1.0

    def _open(self) -> None:
        base = f"{self.name}-{self.uid}"
        names = tuple(f"{area}{k + 1}" for area in ("Fz", "Cz", "Pz", "Oz") for k in range(-(-self.n_chans // 4)))
        keys = {"simulated": self.simulated}
        self._add("signal", "cortex", "EEG", names[: self.n_chans], keys, sfreq=self.sfreq, unit="microvolts")
        if self.output == "values":
            self._add("force", "handle", "Force", ("force",), keys, sfreq=100.0, unit="N")
        self._add("markers", "stimuli", "Markers", ("marker",), keys, fmt="string")
        if self.shown:
            shape = {"shape": "1,28,28", "layout": "CHW", "role": "shown"}
            self._add("shown", "cortex-shown", "Image", tuple(map(str, range(784))), keys | shape)
        if not self.session:
            return
        facts = keys | {
            "kind": self.output,
            "labels": list(LABELS[self.output]),
            "classes": {f"{label}_*": label for label in LABELS[self.output]},
            "chance": 0.25 if self.output == "probabilities" else None,
            "bundle": "visual-cortex-small",
            "hash": "0f3a9c",
            "backend": "openvino",
            "unit": "N" if self.output == "values" else "",
        }
        prefix, name = f"{base}/", self.name
        if self.output == "image":
            facts |= {"shape": "1,28,28", "layout": "CHW", "role": "seen"}
            self._add("prediction", f"{name}-prediction", "Image", tuple(map(str, range(784))), facts, prefix)
        else:
            self._add("prediction", f"{name}-prediction", "Prediction", LABELS[self.output], facts, prefix)
        self._add("decisions", f"{name}-decisions", "Decision", ("decision",), facts, prefix, fmt="string")
        self._add("latency", f"{name}-latency", "Latency", STAGES, facts, prefix, fmt="double64")
        self._add("health", f"{name}-health", "Health", ("health",), facts, prefix, fmt="string")

    def _add(self, key, name, kind, ch_names, keys, prefix=None, sfreq=0.0, unit="", fmt="float32"):  # type: ignore[no-untyped-def]
        source_id = f"{prefix or f'replay-{self.uid}/'}{key}"
        spec = StreamSpec(
            name=name, type=kind, ch_names=ch_names, sfreq=sfreq, unit=unit, channel_format=fmt, source_id=source_id
        )
        self.outlets[key] = pylsl.StreamOutlet(describe(spec, keys, channels=kind != "Image"))

    def _signals(self, elapsed: float) -> None:
        upto = int(elapsed * self.sfreq)
        t = np.arange(self.sent, upto) / self.sfreq
        keep = (t < self.gap[0]) | (t > self.gap[1])
        if len(t):
            phase = np.arange(self.n_chans) * 0.37
            alpha = (
                12 * np.sin(2 * np.pi * 10 * t[:, None] + phase) * (1 + np.sin(2 * np.pi * 0.2 * t[:, None] + phase))
            )
            slow = 14 * np.sin(2 * np.pi * 0.7 * t[:, None] + 2 * phase)
            noise = self.rng.normal(0, 7, (len(t), self.n_chans))
            block = (alpha + slow + noise + 400 * np.cos(phase)).astype(np.float32)
            if keep.any():
                self.outlets["signal"].push_chunk(block[keep], list(self.began + t[keep]))
        if "force" in self.outlets:
            upto_force = int(elapsed * 100)
            k = np.arange(int(self.sent / self.sfreq * 100), upto_force)
            if len(k):
                force = 4 + 3 * np.sin(2 * np.pi * 0.15 * k / 100) + np.sin(2 * np.pi * 0.4 * k / 100)
                self.outlets["force"].push_chunk(force[:, None].astype(np.float32), list(self.began + k / 100))
        self.sent = upto

    def _event(self, at: float) -> tuple[float, str, int]:
        which = int(self.rng.integers(len(self.pictures)))
        labels = LABELS[self.output]
        label = f"{labels[which % len(labels)]}_{which:02d}" if self.output == "probabilities" else f"face_{which:02d}"
        stamp = self.began + at
        if self.output == "values":
            return stamp, label, which
        self.outlets["markers"].push_sample([label], stamp)
        if self.shown:
            self.outlets["shown"].push_sample(self.pictures[which].ravel().tolist(), stamp)
        return stamp, label, which

    def _predict(self, stamp: float, label: str, which: int) -> None:
        if not self.session:
            return
        last = stamp + 0.3
        chosen, value = None, None
        if self.output == "image":
            values = 0.55 * self.pictures[which] + 0.25 + self.rng.normal(0, 0.13, (28, 28))
        elif self.output == "probabilities":
            logits = self.rng.normal(0, 1.0, 4)
            logits[which % 4] += 1.6
            values = np.exp(logits) / np.exp(logits).sum()
            chosen, value = LABELS[self.output][int(values.argmax())], float(values.max())
        else:
            k = last - self.began
            values = np.array([4 + 2.6 * np.sin(2 * np.pi * 0.15 * k - 0.2) + self.rng.normal(0, 0.4)])
        said = {"seq": self.seq, "event": label, "event_stamp": stamp, "last": 0, "stamp": last, "valid": True}
        self.outlets["decisions"].push_sample([json.dumps(said | {"label": chosen, "value": value})], last)
        self.outlets["prediction"].push_sample(np.ravel(values).astype(np.float32).tolist(), last)
        stages = np.abs(self.rng.normal([1.1, 0.2, 0.04, 0.05, 0.6, 0.1], [0.2, 0.03, 0.01, 0.02, 0.08, 0.02]))
        self.outlets["latency"].push_sample([*stages.tolist(), float(stages.sum())], last)
        self.seq += 1

    def _health(self, elapsed: float) -> None:
        since, state, message = [row for row in self.states if row[0] <= elapsed][-1]
        said = {
            "state": state,
            "since": self.began + since,
            "message": message,
            "counts": {"decoded": self.seq, "late": 0} | self.counts,
            "warnings": list(self.warnings),
        }
        self.outlets["health"].push_sample([json.dumps(said)])

    def _picture(self) -> NDArray[np.float32]:
        """A smooth blob or two with an edge: something that can be told apart."""
        y, x = np.mgrid[:28, :28] / 27
        total = np.full((28, 28), 0.15)
        for _ in range(3):
            cx, cy, width = self.rng.uniform(0.15, 0.85), self.rng.uniform(0.15, 0.85), self.rng.uniform(0.08, 0.25)
            total += self.rng.uniform(0.4, 0.9) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
        angle = self.rng.uniform(0, np.pi)
        total += 0.3 * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) > self.rng.uniform(-0.2, 0.2))
        return np.clip(total, 0, 1).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", choices=list(LABELS), default="image")
    parser.add_argument("--name", default="fake")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--every", type=float, default=0.8)
    parser.add_argument("--silent-after", type=float, default=float("inf"))
    parser.add_argument("--no-session", action="store_true")
    parser.add_argument("--no-shown", action="store_true")
    parser.add_argument("--refused", action="store_true")
    parser.add_argument("--troubled", action="store_true")
    args = parser.parse_args()
    states = ((0.0, "live", ""),)
    if args.refused:
        lines = (
            "the stream 'cortex' is not what the bundle was calibrated on:",
            "rate: expected 512 Hz, found 1000 Hz",
            "channel 'POz' is missing",
            "unit: expected microvolts, found volts",
        )
        states = ((0.0, "refused", "\n".join(lines)),)
    counts, warnings = {}, ()
    if args.troubled:
        counts = {"skipped": 17, "backlog": 240, "gap": 3, "late": 1, "lost": 2, "returned": 2}
        warnings = ("amp: 980.2 Hz arrive, 1000 Hz were promised",)
        states = (
            (0.0, "live", ""),
            (8.0, "lost", "signal 'cortex' on lab went away; waiting for a stream with its id"),
        )
    FakeSession(
        args.output,
        args.name,
        args.channels,
        session=not args.no_session,
        shown=not args.no_shown,
        silent_after=args.silent_after,
        states=states,
        counts=counts,
        warnings=warnings,
        every=args.every if args.output != "values" else 0.05,
    ).run(args.seconds)


if __name__ == "__main__":
    main()
