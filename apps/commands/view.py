"""The window, on any computer on the network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from apps.out import check_out
from streamkit.errors import BadInput

LEAST = (640, 480)
MOST = 8192
"""Pixels of the window: width and height."""


def _size(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{3,4})x([0-9]{3,4})", value.lower())
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(least <= pixels <= MOST for least, pixels in zip(LEAST, size, strict=True)):
        raise click.BadParameter(
            f"expected WIDTHxHEIGHT of at least {LEAST[0]}x{LEAST[1]} and at most {MOST}x{MOST}, for example 1280x800, "
            f"got {value!r}"
        )
    return size


@click.command(
    "view",
    epilog="""\b
Examples:
  streamkit view
  streamkit view --from recordings/session-3
  QT_QPA_PLATFORM=offscreen streamkit view --screenshot window.png --after 10""",
)
@click.option("--name", "session", default="", help="Name of the live session to show.  [default: the newest]")
@click.option("--stream", default="", help='Signal stream to show: "name=…,type=…,source_id=…" or a bare name.')
@click.option("--from", "recording", type=click.Path(path_type=Path), help="Replay this recording and show it.")
@click.option("--screenshot", type=click.Path(path_type=Path, dir_okay=False), help="Save one picture (PNG) and end.")
@click.option("--after", default=5.0, show_default=True, type=click.FloatRange(0), help="Seconds before --screenshot.")
@click.option("--screenshots", type=click.Path(path_type=Path, file_okay=False), help="Folder for repeated pictures.")
@click.option(
    "--screenshot-every", "every", default=5.0, show_default=True, type=click.FloatRange(0.1), help="Seconds."
)
@click.option("--size", default="1280x800", show_default=True, callback=_size, help="Size of the window in pixels.")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True)
@click.option("--fps", default=50.0, show_default=True, type=click.FloatRange(1, 240), help="Frames per second.")
@click.option("--duration", type=click.FloatRange(0.1), help="Close after this many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Report the pictures taken as one JSON object.")
def command(recording: Path | None, as_json: bool, **options: Any) -> None:
    """Show signals, what the model sees and decides, and whether it is on time.

    The window is a client like any other: it watches LSL streams, on this computer or another one, and closing it
    changes nothing for the session it watches.
    """
    from apps.view.environment import check

    if recording is not None and not recording.exists():
        raise BadInput(f"there is no recording at {recording}; expected a recording folder or file")
    check_plan(options)
    check()
    from apps.view.app import ViewOptions, run

    pictures = run(ViewOptions(recording=recording, **options))
    if as_json:
        click.echo(json.dumps({"status": "ok", "screenshots": [str(path) for path in pictures]}))
    else:
        for path in pictures:
            click.echo(f"saved {path}")


def check_plan(options: dict[str, Any]) -> None:
    """Raise BadInput for options that cannot give what they ask for."""
    from streamkit.lsl.discovery import predicate

    predicate(options["stream"])
    shot, duration = options["screenshot"], options["duration"]
    if shot is not None and shot.suffix.lower() != ".png":
        raise BadInput(f"--screenshot {shot}: pictures are PNG files; give a name that ends in .png")
    if shot is not None and duration is not None and duration <= options["after"]:
        raise BadInput(
            f"--duration {duration:g} closes the window before the picture that --after {options['after']:g} asks for; "
            "give a longer --duration, or none"
        )
    check_out(shot, "--screenshot")
    check_out(options["screenshots"], "--screenshots")
