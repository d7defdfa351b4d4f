"""The decoding process where there are several streams: one session each, all in this process.

Ends as `streamkit live` does, on an interrupt, and then says what the sessions report, one object per stream.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from apps.bench.load.job import LoadJob
from apps.bench.talk import say
from streamkit.bundle import load_bundle
from streamkit.session import Session


def main(job: LoadJob, bundle: Path, name: str, source_ids: list[str]) -> None:
    """Decode every stream until interrupted."""
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    loaded = load_bundle(bundle)
    buffer = {} if job.ring is None else {"buffer": job.ring}
    sessions = [
        Session(
            loaded,
            stream=f"source_id={source_id}",
            backend="openvino",
            name=name,
            uid=str(number),
            resolve_timeout=30.0,
            warm=False,  # a rehearsal of one session would take its turn from the others
            **buffer,
        )
        for number, source_id in enumerate(source_ids)
    ]
    for session in sessions:
        session.start()
    while not stop.wait(0.5) and not any(session.error for session in sessions):
        pass
    for session in sessions:
        session.stop()
        session.join()
    say({"sessions": [{"counts": session.counts, **session.ledger.summary()} for session in sessions]})


if __name__ == "__main__":
    main(LoadJob.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
