"""The source of the latency job, a process of its own: a simulated amplifier that stamps with the LSL clock.

Says ``{"source": "subscribed"}`` when somebody reads it, begins at a line on standard input, and says
``{"first": …, "n": …, "late": …}`` at the end: stamp of the first sample, samples sent, seconds of the worst delay.
"""

from __future__ import annotations

import json
import sys
import time

import pylsl

from apps.bench.job import BLOCK, Job, signal_block
from apps.bench.talk import say
from streamkit.priority import hurry

SPIN_S = 0.0005
"""A sleeping process wakes up late; the last half millisecond before a chunk is due is waited for awake."""


def outlet_of(job: Job, source_id: str) -> pylsl.StreamOutlet:
    """Outlet called `source_id`, with channels E0, E1 … in microvolts."""
    info = pylsl.StreamInfo(source_id, "EEG", job.n_chans, job.sfreq, pylsl.cf_float32, source_id)
    channels = info.desc().append_child("channels")
    for k in range(job.n_chans):
        channel = channels.append_child("channel")
        for key, value in (("label", f"E{k}"), ("unit", "microvolts"), ("type", "EEG")):
            channel.append_child_value(key, value)
    return pylsl.StreamOutlet(info, chunk_size=0, max_buffered=60)


def wait_until(due: float) -> float:
    """Wait for the LSL clock to show `due`; returns by how much that was missed."""
    while (left := due - pylsl.local_clock()) > 0:
        time.sleep(left - SPIN_S if left > SPIN_S else 0)
    return -left


def play(job: Job, outlet: pylsl.StreamOutlet) -> dict[str, float]:
    """Send the signal, each chunk when its newest sample is due."""
    block = signal_block(job)
    begin = pylsl.local_clock() + 0.1
    late = 0.0
    for sent in range(0, job.n_samples, job.chunk):
        due = begin + (sent + job.chunk) / job.sfreq
        late = max(late, wait_until(due))
        outlet.push_chunk(block[sent % BLOCK : sent % BLOCK + job.chunk], due)
    return {"first": begin + 1 / job.sfreq, "n": job.n_samples, "late": late}


def main(job: Job, source_id: str) -> None:
    """Wait for a reader and for the cue, then play; leaves when standard input is closed."""
    if job.steady:
        hurry()
    outlet = outlet_of(job, source_id)
    while not outlet.wait_for_consumers(1.0):
        pass
    say({"source": "subscribed"})
    if sys.stdin.readline():
        say(play(job, outlet))
        sys.stdin.readline()


if __name__ == "__main__":
    main(Job.model_validate(json.loads(sys.argv[1])), sys.argv[2])
