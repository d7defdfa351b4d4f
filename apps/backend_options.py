"""The options by which every command that runs a bundle is told what to run it with, and what is said of that."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streamkit.inference import Choice


class Threads(click.ParamType):
    """A number from 1, or ``auto``."""

    name = "auto|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or the word."""
        if value == "auto":
            return value
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} was given, expected a number from 1, or auto", param, ctx)
        return number


OPTIONS = (
    click.option(
        "--backend",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="What runs the network: openvino, onnxruntime, torch, cuda_graph, tensorrt, or auto for the fastest here, "
        "found by a contest of a second or two and remembered. See `streamkit backends`.",
    ),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Where: cpu, cuda (an NVIDIA GPU), tensorrt (onnxruntime's provider of it), or auto for the fastest.",
    ),
    click.option(
        "--precision",
        default="float32",
        show_default=True,
        metavar="NAME",
        help="float32; tf32, fp16 or bf16 where the backend has it; int8 where the bundle was quantised.",
    ),
    click.option(
        "--threads",
        type=Threads(),
        default="auto",
        show_default=True,
        help="Processor threads per inference; auto takes more than one only where that is measurably faster.",
    ),
)
STRICT = click.option(
    "--strict-backend",
    is_flag=True,
    help="Exit with status 1 when a backend fails its proof, rather than fall back to another.",
)

Command = Callable[..., Any]


def wish_options(command: Command) -> Command:
    """Add the options of a `Wish`; `command` is called with it as ``wish``."""

    @functools.wraps(command)
    def with_wish(*args: Any, backend: str, device: Any, precision: Any, threads: Any, **others: Any) -> Any:
        from streamkit.inference import Wish

        return command(*args, wish=Wish(backend, device, precision, threads), **others)

    for option in reversed(OPTIONS):
        with_wish = option(with_wish)
    return with_wish


def backend_options(command: Command) -> Command:
    """Add `wish_options` and ``--strict-backend``; `command` is called with ``wish`` and ``strict``."""

    @functools.wraps(command)
    def with_strict(*args: Any, strict_backend: bool, **others: Any) -> Any:
        return command(*args, strict=strict_backend, **others)

    return wish_options(STRICT(with_strict))


def told(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """What ``--json`` says of what ran each graph: whether anything stood in for what was asked, and all choices."""
    fallen = [choice for choice in choices.values() if choice.fell_back_from]
    return {
        "fell_back_from": fallen[0].fell_back_from if fallen else None,
        "reason": fallen[0].reason if fallen else None,
        "choices": {name: choice.facts() for name, choice in choices.items()},
    }
