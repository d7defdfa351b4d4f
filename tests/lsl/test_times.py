"""What the health report says about time, and when it warns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from streamkit.lsl.health import Health
from streamkit.lsl.times import TimeReport
from streamkit.ring import RingBuffer
from streamkit.timeline import Timeline
from streamkit.types import StreamSpec

AMPLIFIER = StreamSpec(name="amp", ch_names=("a",), sfreq=100.0, hostname="lab-pc")


@dataclass
class Amplifier:
    """Stands in for an inlet: what it is given goes through its timeline into its ring."""

    spec: StreamSpec = AMPLIFIER
    speed: float = 1.0
    clock_offset: float = 0.0
    clock_steps: int = 0
    ring: RingBuffer = field(default_factory=lambda: RingBuffer(3000, 1))
    timeline: Timeline = field(init=False)

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.spec.sfreq, speed=self.speed)

    def send(self, raw: np.ndarray) -> None:
        for at in range(0, len(raw), 10):
            part = raw[at : at + 10]
            data = np.arange(at, at + len(part), dtype=np.float32)[:, None]
            self.ring.reserve(len(part))[:] = data
            stamps, gap, duplicate, _ = self.timeline.correct(part, data)
            self.ring.commit(stamps, None, gap, duplicate, part)


def test_a_stream_as_declared_is_reported_without_a_warning():
    amplifier = Amplifier()
    amplifier.send(500 + np.arange(1500) / 100)
    report = TimeReport(amplifier)
    facts = report.facts()
    assert facts == {
        "nominal_sfreq": 100.0,
        "effective_sfreq": 100.0,
        "gaps": 0,
        "missing": 0,
        "duplicates": 0,
        "backward": 0,
        "clock_offset": 0.0,
        "clock_steps": 0,
    }
    assert report.warnings(facts) == []


def test_the_rate_is_unknown_until_there_are_five_seconds():
    amplifier = Amplifier()
    amplifier.send(np.arange(400) / 100)
    assert TimeReport(amplifier).facts()["effective_sfreq"] is None


@pytest.mark.parametrize(("off", "said"), [(0.98, "98.00 Hz (-2.0 %)"), (1.02, "102.00 Hz (+2.0 %)")])
def test_a_rate_two_per_cent_off_is_said_once(off, said):
    amplifier = Amplifier()
    amplifier.send(np.arange(2000) / (100 * off))
    report = TimeReport(amplifier)
    (line,) = report.warnings(report.facts())
    assert line == f"the stream declares 100 Hz but runs at {said}"
    assert report.warnings(report.facts()) == []


def test_a_replay_at_twice_the_speed_has_the_declared_rate():
    amplifier = Amplifier(speed=2.0)
    amplifier.send(np.arange(2500) / 200)
    facts = TimeReport(amplifier).facts()
    assert facts["effective_sfreq"] == pytest.approx(100.0)


def test_an_irregular_stream_has_no_rate():
    amplifier = Amplifier(spec=StreamSpec(ch_names=("a",), sfreq=0.0))
    amplifier.send(np.sort(np.random.default_rng(0).uniform(0, 10, 50)))
    report = TimeReport(amplifier)
    facts = report.facts()
    assert (facts["nominal_sfreq"], facts["effective_sfreq"]) == (0.0, None)
    assert report.warnings(facts) == []


def test_clocks_that_jump_are_said():
    amplifier = Amplifier(clock_steps=1)
    raw = np.arange(2000) / 100
    raw[1000:] -= 5
    amplifier.send(raw)
    report = TimeReport(amplifier)
    lines = report.warnings(report.facts())
    assert len(lines) == 2
    assert lines[0].startswith("the clock that stamps the stream was set back")
    assert lines[1].startswith("the clock of lab-pc has jumped")


def test_health_is_told_once_a_second():
    now = [0.0]
    health = Health(clock=lambda: now[0])
    amplifier = Amplifier()
    report = TimeReport(amplifier, clock=lambda: now[0])
    report.tick(health)
    assert health.facts == {}
    amplifier.send(np.arange(2000) / 98)
    now[0] = 1.0
    report.tick(health)
    assert health.facts["time"]["effective_sfreq"] == 98.0
    assert health.warnings == ["the stream declares 100 Hz but runs at 98.00 Hz (-2.0 %)"]
