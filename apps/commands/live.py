"""Decode a live stream."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from apps.backend_options import backend_options, told
from apps.commands.replay import until_stopped
from apps.out import check_out, warn
from streamkit.errors import BadInput, StreamkitError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamkit.inference import Wish
    from streamkit.session import Session

EXAMPLE = "Example: streamkit live bundles/p300 --stream type=EEG --view --record recordings/today"
WINDOWS = {
    "skipped": "skipped for newer ones",
    "late": "marker came too late",
    "gap": "over a gap",
    "no_sample": "marker without a sample",
    "incomplete": "cut off at the end",
}
EPOCHS = {
    "epoch_unknown": "of unknown stimuli",
    "epoch_skipped": "because too many waited",
    **{f"epoch_{key}": words for key, words in WINDOWS.items() if key != "skipped"},
}


@click.command("live", epilog=EXAMPLE)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--stream", default="", metavar="QUERY", help="Signal stream: name=…,type=…,source_id=…, or a bare name.")
@click.option(
    "--also", multiple=True, metavar="QUERY", help="Side streams, in the bundle's order.  [default: what fits]"
)
@click.option(
    "--markers", multiple=True, metavar="QUERY", help="Marker streams; repeatable.  [default: all on the signal's host]"
)
@backend_options
@click.option(
    "--when-behind",
    type=click.Choice(["all", "latest"]),
    default="all",
    show_default=True,
    help="When several windows are ready at once: decode all, or the latest and count the others as skipped.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="Milliseconds from sample to prediction that count as missed beyond.  [default: the time between predictions]",
)
@click.option(
    "--warm/--no-warm",
    default=True,
    show_default=True,
    help="Rehearse the model just before each prediction that can be foreseen: less latency for more computing.",
)
@click.option(
    "--real-time/--no-real-time",
    default=True,
    show_default=True,
    help="Real-time scheduling of the decoding thread, where this user may have it; `streamkit doctor` says whether.",
)
@click.option("--name", default="streamkit", show_default=True, help="What the streams of this session are called.")
@click.option("--stimuli", type=click.Path(path_type=Path), help="Folder of images, shown when a marker names one.")
@click.option("--view", is_flag=True, help="Open the window, in a process of its own.")
@click.option("--record", "out", type=click.Path(path_type=Path), help="Record inputs and outputs to this new folder.")
@click.option("--ledger", type=click.Path(path_type=Path), help="Write the time of every prediction to this CSV file.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), help="Seconds.  [default: until Ctrl-C]")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Seconds to look for the streams."
)
@click.option(
    "--watchdog",
    type=click.FloatRange(min=10),
    default=200.0,
    show_default=True,
    metavar="MS",
    help="Milliseconds of silence that are a stall; more where the source usually takes longer.",
)
@click.option(
    "--buffer", type=click.FloatRange(min=0.1), help="Seconds of raw samples kept.  [default: 30, or 256 MiB of them]"
)
@click.option("--uid", help="Source ids are NAME-UID/….  [default: a random number]")
@click.option("--wait-for-clients", is_flag=True, help="Begin once somebody reads the predictions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    bundle: Path,
    stream: str,
    also: tuple[str, ...],
    markers: tuple[str, ...],
    wish: Wish,
    strict: bool,
    when_behind: str,
    budget: float | None,
    warm: bool,
    real_time: bool,
    name: str,
    stimuli: Path | None,
    view: bool,
    out: Path | None,
    ledger: Path | None,
    duration: float | None,
    timeout: float,
    watchdog: float,
    buffer: float | None,
    uid: str | None,
    wait_for_clients: bool,
    as_json: bool,
) -> None:
    """Decode a live stream with BUNDLE and publish what it says on LSL. Ctrl-C stops and sums up."""
    from streamkit.bundle import load_bundle
    from streamkit.lsl.discovery import predicate
    from streamkit.session import Session

    for query in (stream, *also, *markers):
        predicate(query)
    for option, path, what in (("--record", out, "folder"), ("--ledger", ledger, "file")):
        if path is not None and path.exists():
            raise BadInput(f"{option} {path}: exists already; choose a new {what}")
        check_out(path, option)
    if stimuli is not None and not stimuli.is_dir():
        raise BadInput(f"--stimuli {stimuli}: there is no such folder; give one with image files")
    if view:
        check_window()
    loaded = load_bundle(bundle)
    sides = len(loaded.contract.also)
    if len(also) > sides:
        raise BadInput(f"--also {also[sides]}: side streams that the bundle reads: {sides or 'none'}; leave this out")
    session = Session(
        loaded,
        stream=stream,
        also=also,
        markers=markers or None,
        backend=wish,
        strict_backend=strict,
        name=name,
        when_behind=when_behind,
        warm=warm,
        real_time=real_time,
        budget=None if budget is None else budget / 1e3,
        stimuli=stimuli,
        wait_for_clients=wait_for_clients,
        **({} if uid is None else {"uid": uid}),
        resolve_timeout=timeout,
        watchdog=watchdog / 1e3,
        buffer=buffer,
        record=out,
        ledger_file=ledger,
        on_warning=warn,
        on_state=Spoken(),
    )
    window = None
    with until_stopped():
        try:
            session.start()
            if view:
                window = beside("view", "--name", name)
            decode(session, duration)
        except StreamkitError:
            if session.error is None:
                raise
        finally:
            session.stop(drain=True)
            if window is not None:
                finish(window)
    if session.error is None or session.counts["samples"]:
        report = summary(session, out if out is not None and out.exists() else None)
        click.echo(json.dumps(report) if as_json else sentences(report))
    session.join()
    if session.unwritten:
        raise StreamkitError(f"what was written to disk is not whole: {'; '.join(session.unwritten)}")


def check_window() -> None:
    """Raise where the window could not open."""
    from apps.view.environment import check

    check()


class Spoken:
    """Says at once when the source goes away, stalls or comes back; `decode` tells what was before."""

    def __init__(self) -> None:
        self._been_live = False

    def __call__(self, state: str, message: str) -> None:
        """Take in a change of state."""
        if state == "live":
            if self._been_live:
                click.echo("live again", err=True)
            self._been_live = True
        elif self._been_live and message:
            click.echo(f"{state}: {message}", err=True)


def decode(session: Session, duration: float | None) -> None:
    """Wait until the session is live, then for `duration` seconds or for ever; raises what ends it."""
    state = ""
    while session.state in ("searching", "connecting"):
        if session.health.message != state:
            state = session.health.message
            click.echo(f"{session.state}: {state}", err=True)
        session.join(0.1)
    if session.state == "live":
        reads = ", ".join(f"{spec.name} ({spec.n_chans} ch, {spec.sfreq:g} Hz)" for spec in session.inputs)
        runs = " and ".join(dict.fromkeys(map(str, session.choices.values()))) or session.backend
        click.echo(f"live on {runs}: {reads}; Ctrl-C stops", err=True)
    session.join(duration)


def beside(*words: str) -> subprocess.Popen[bytes]:
    """Start another of our commands, out of reach of this terminal's Ctrl-C."""
    return subprocess.Popen([sys.executable, "-m", "apps.cli", *words], stdout=sys.stderr, start_new_session=True)


def finish(process: subprocess.Popen[bytes]) -> bool:
    """Let a companion close its file or its window; False when it ended badly."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(10) in (0, 130)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait() == 0


def summary(session: Session, out: Path | None) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "state": session.state,
        "bundle": str(session.bundle.path),
        "backend": session.backend,
        **told(session.choices),
        "priority": session.priority.state,
        "inputs": [spec.source_id or spec.name for spec in session.inputs],
        "outputs": session.source_ids,
        "predictions": session.counts["predictions"],
        "counts": session.counts,
        **session.ledger.summary(),
        "encoding": encoding_of(session),
        "recording": str(out) if out else None,
    }


def encoding_of(session: Session) -> dict[str, Any] | None:
    """How well predicted and recorded epochs agree, channel by channel; None where the bundle predicts none."""
    found, others = session.correlation, session.correlation_with_others
    if found is None or others is None:
        return None
    names = session.bundle.contract.processed.ch_names

    def each(values: NDArray[np.float64]) -> dict[str, float | None]:
        return {name: round(float(v), 4) if v == v else None for name, v in zip(names, values, strict=True)}

    return {
        "n": found.n,
        "chance": each(others.r),
        "r": each(found.r),
        "low": each(found.low),
        "high": each(found.high),
        "latency_ms": session.epoch_ledger.summary()["latency_ms"],
    }


def sentences(report: dict[str, Any]) -> str:
    """Sum up a session for people."""
    counts, latency = report["counts"], report["latency_ms"]
    lines = [f"{report['predictions']} predictions from {counts['samples']} samples and {counts['markers']} markers"]
    if latency["p50"] is not None:
        quantiles = ", ".join(f"{key} {value:.2f}" for key, value in latency.items())
        lines.append(f"sample to prediction, ms: {quantiles}")
    if report["budget_ms"] is not None:
        lines.append(f"{report['deadline_misses']} later than the budget of {report['budget_ms']:g} ms")
    lost = [f"{counts[key]} {words}" for key, words in WINDOWS.items() if counts.get(key)]
    lines.append(f"not decoded: {', '.join(lost)}" if lost else "every window was decoded")
    if (encoding := report["encoding"]) is not None:
        lines.append(epoch_sentence(encoding, counts))
    return "\n".join(lines)


def epoch_sentence(encoding: dict[str, Any], counts: dict[str, int]) -> str:
    """Say how well the predicted epochs agree with the recorded ones."""
    lost = [f"{counts[key]} {words}" for key, words in EPOCHS.items() if counts.get(key)]
    more = f" (not compared: {', '.join(lost)})" if lost else ""
    known = {name: r for name, r in encoding["r"].items() if r is not None}
    if not known:
        return f"predicted against recorded: no epoch yet{more}"
    best = max(known, key=lambda name: known[name])
    median = sorted(known.values())[len(known) // 2]
    low, high, chance = (encoding[key][best] for key in ("low", "high", "chance"))
    interval = "" if low is None else f" (95 % {low:.2f} to {high:.2f})"
    by_chance = "" if chance is None else f", with predictions for other pictures {chance:.2f}"
    return (
        f"predicted against recorded, {encoding['n']} epochs: median r {median:.2f} over channels, best {best} "
        f"{known[best]:.2f}{interval}{by_chance}{more}"
    )
