"""The command line: a table of verbs, one file each, imported when called."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import click

from apps.out import pass_on_warnings
from streamkit import __version__
from streamkit.errors import StreamkitError, did_you_mean

VERBS = {
    "backends": "inference backends available here, and why not",
    "bench": "measured figures: latency beside other toolkits, inference in every backend, load",
    "calibrate": "train a decoder on recordings and write a bundle",
    "convert": "turn a published dataset or any readable file into a native recording",
    "demo": "the main job: simulate, calibrate, replay, decode live, watch",
    "doctor": "check LSL, clock, GPU, display and packages, with the next step for each failure",
    "evaluate": "score a bundle on a recording, with chance level and confidence interval",
    "live": "decode a live stream",
    "models": "the networks available here",
    "pack": "make a bundle of anybody's ONNX model",
    "quantize": "int8 versions of a bundle's graphs, with what they cost and whether they pay",
    "record": "record LSL streams to a native recording",
    "reproduce": "run every named experiment of a paper; tables and figures",
    "replay": "publish a recording on LSL, all streams at their own times",
    "simulate": "make a recording from a forward model with known ground truth",
    "streams": "list the LSL streams in reach",
    "verify": "prove that live equals offline on this machine",
    "view": "the window",
}


class Verbs(click.Group):
    """Imports the module of a verb only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of one verb, or None for an unknown one."""
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"apps.commands.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one is answered with the closest."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}.{did_you_mean(args[0], VERBS)} Commands: {', '.join(VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streamkit")
def cli() -> None:
    """Real-time brain decoding over Lab Streaming Layer."""


def quiet_lsl() -> None:
    """Keep liblsl's own log lines off the terminal, unless the user configured LSL."""
    os.environ.setdefault("LSLAPICFG", str(Path(__file__).with_name("lsl_quiet.cfg")))


def in_words(error: OSError) -> str:
    """Say what a file, folder or port refused, and what to do."""
    about = f"{error.filename}: " if error.filename else ""
    why = error.strerror or str(error) or type(error).__name__
    return f"{about}{why}. Check that the path exists, that you may write there and that the disk is not full."


def main(args: list[str] | None = None) -> None:
    """Run the command line; print every error as one message and exit 1 or 2."""
    quiet_lsl()
    pass_on_warnings()
    try:
        status = cli.main(args, prog_name="streamkit", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped by the user", err=True)
        sys.exit(130)
    except StreamkitError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if os.environ.get("STREAMKIT_TRACEBACK"):
            raise
        click.echo(f"error: {in_words(error)}", err=True)
        sys.exit(2)
    except Exception as error:
        if os.environ.get("STREAMKIT_TRACEBACK"):
            raise
        click.echo(
            f"error: this is a defect in streamkit: {type(error).__name__}: {error}. "
            "Run again with STREAMKIT_TRACEBACK=1 and report what it prints.",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
