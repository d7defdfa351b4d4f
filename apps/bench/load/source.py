"""The source of the load job, a process of its own: precomputed blocks, pushed when they are due.

Says ``{"source": "subscribed"}`` when every stream has a reader, begins at a line on standard input, and says
``{"first": …, "n": …, "late": …}`` at the end: stamp of the first sample, samples sent per stream, seconds of the
worst delay.
"""

from __future__ import annotations

import json
import sys
import time

import pylsl

from apps.bench.load.job import LoadJob, signal_block
from apps.bench.talk import say

HELD_S = 10
"""Seconds of samples that liblsl holds for a reader that does not come for them."""

LSL_FORMATS = {"float32": pylsl.cf_float32, "int16": pylsl.cf_int16}


def outlet_of(job: LoadJob, source_id: str) -> pylsl.StreamOutlet:
    """Outlet called `source_id`, with the channels of ``job.stream``."""
    spec = job.stream
    form = LSL_FORMATS[job.channel_format]
    info = pylsl.StreamInfo(source_id, spec.type, spec.n_chans, spec.sfreq, form, source_id)
    channels = info.desc().append_child("channels")
    for name in spec.ch_names:
        channel = channels.append_child("channel")
        for key, value in (("label", name), ("unit", spec.unit), ("type", spec.type)):
            channel.append_child_value(key, value)
    return pylsl.StreamOutlet(info, chunk_size=0, max_buffered=HELD_S)


def play(job: LoadJob, outlets: list[pylsl.StreamOutlet]) -> dict[str, float]:
    """Send the signal, each chunk when its newest sample is due, on all streams in turn."""
    block = signal_block(job)
    begin = pylsl.local_clock() + 0.1
    late = 0.0
    for sent in range(0, job.n_samples, job.n_chunk):
        due = begin + (sent + job.n_chunk) / job.sfreq
        while (left := due - pylsl.local_clock()) > 0:
            time.sleep(left)
        late = max(late, -left)
        chunk = block[sent % job.n_block : sent % job.n_block + job.n_chunk]
        for outlet in outlets:
            outlet.push_chunk(chunk, due)
    return {"first": begin + 1 / job.sfreq, "n": job.n_samples, "late": late}


def main(job: LoadJob, source_ids: list[str]) -> None:
    """Wait for readers and for the cue, then play; leaves when standard input is closed."""
    outlets = [outlet_of(job, source_id) for source_id in source_ids]
    for outlet in outlets:
        while not outlet.wait_for_consumers(1.0):
            pass
    say({"source": "subscribed"})
    if sys.stdin.readline():
        say(play(job, outlets))
        sys.stdin.readline()


if __name__ == "__main__":
    main(LoadJob.model_validate(json.loads(sys.argv[1])), sys.argv[2:])
