"""Publish a recording on LSL, all streams at their own times."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

EXAMPLE = "Example: streamkit replay recordings/p300-held-out --speed 2 --from 10 --to 60"


@click.command("replay", epilog=EXAMPLE)
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("--speed", type=float, default=1.0, show_default=True, help="How much faster than it was recorded.")
@click.option("--loop", is_flag=True, help="Begin again at the end, until stopped.")
@click.option("--from", "start", type=click.FloatRange(min=0), help="Begin this many seconds into the recording.")
@click.option("--to", "stop", type=click.FloatRange(min=0), help="End this many seconds into the recording.")
@click.option("--wait", type=click.FloatRange(min=0), help="Wait up to this many seconds for a reader of every stream.")
@click.option("--base", help="Source ids are BASE/stream name.  [default: replay- and a random number]")
@click.option("--salvage", is_flag=True, help="Read what is whole of a damaged file.")
@click.option("--json", "as_json", is_flag=True, help="At the end, print one JSON object: what was sent, and how late.")
def command(
    recording: Path,
    speed: float,
    loop: bool,
    start: float | None,
    stop: float | None,
    wait: float | None,
    base: str | None,
    salvage: bool,
    as_json: bool,
) -> None:
    """Publish every stream of RECORDING on LSL: signals, markers and the shown images.

    RECORDING is a native folder, an XDF or NWB file, a run of a BIDS dataset, or a file that MNE reads. Ctrl-C stops.
    """
    from streamkit.recording import read_recording
    from streamkit.replay import Replay

    whole = read_recording(recording, salvage=salvage)
    replay = Replay(whole, base=base, speed=speed, loop=loop, start=start, stop=stop, wait_for_consumers=wait)
    for note in (*whole.meta.details.get("notes", []), *replay.notes):
        click.echo(f"note: {note}", err=True)
    for stream in whole.signals:
        if stream.blank():
            click.echo(f"note: {stream.spec.name}: no finite value in {', '.join(stream.blank())}", err=True)
    click.echo(f"publishing {whole.meta.name}{' (simulated)' if whole.meta.simulated else ''}:", err=True)
    for line in listing(whole, replay.source_ids):
        click.echo(line, err=True)
    again = ", again and again" if loop else ""
    click.echo(f"one pass takes {replay.period:.1f} s{again}; Ctrl-C stops", err=True)
    with until_stopped():
        replay.run()
    if as_json:
        click.echo(json.dumps({"period_s": replay.period, "late_ms": replay.lateness}))


def listing(recording: Any, source_ids: dict[str, str]) -> list[str]:
    """One line per stream that goes out."""
    rates = {s.spec.name: f"{s.spec.n_chans} ch, {s.spec.sfreq:g} Hz" for s in recording.signals}
    rates |= {m.spec.name: f"{len(m.labels)} markers" for m in recording.markers}
    return [f"  name={name}  source_id={uid}  {rates.get(name, '')}".rstrip() for name, uid in source_ids.items()]


@contextmanager
def until_stopped() -> Iterator[None]:
    """Let Ctrl-C, or a request to terminate, end the body in good order instead of with an error.

    A second signal disturbs nothing, for the process is ending already; a third one kills it. This holds to the end
    of the process: the handlers are put back only where no signal came.
    """
    heard = 0

    def hear(_number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            raise KeyboardInterrupt
        for number in before:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, hear)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    finally:
        if not heard:
            for number, handler in before.items():
                signal.signal(number, handler)
