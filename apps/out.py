"""What goes out: can it be written where it was asked for; and warnings, each of which is said once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import click

from streamkit.errors import BadInput
from streamkit.marks import kind_of

_said: set[str] = set()


def warn(line: str) -> None:
    """Say at once what is not as it should be although the work goes on; the same line only once."""
    if line not in _said:
        _said.add(line)
        click.echo(f"warning: {line}", err=True)


class Warnings(logging.Handler):
    """Says what the library logs as a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        warn(record.getMessage())


def pass_on_warnings() -> None:
    """From here on what the library logs as a warning goes to stderr, as `warn` says it."""
    _said.clear()
    ours = logging.getLogger("streamkit")
    if not any(isinstance(handler, Warnings) for handler in ours.handlers):
        ours.addHandler(Warnings(logging.WARNING))


def check_out(path: Path | None, what: str = "OUT") -> None:
    """Raise BadInput where nothing could, or should, be made at `path`; None will do. Makes nothing.

    What is added to a bundle makes it unreadable, and a recording is kept as it is: nothing is made in one.

    Parameters
    ----------
    path
        File or folder to be written; its parents need not exist.
    what
        The option or argument that named it, for the message.
    """
    if path is None:
        return
    base = path.absolute()
    while not os.path.lexists(base):
        base = base.parent
    if not base.is_dir() and base != path.absolute():
        raise BadInput(f"{what} {path}: {base} is not a folder, so nothing can be written in it. Choose another place.")
    if not os.access(base, os.W_OK):
        raise BadInput(f"{what} {path}: {base} cannot be written to. Choose another place, or change its permissions.")
    _refuse_bundles(path, what, path.resolve().parents)


def check_apart(path: Path | None, what: str) -> None:
    """Raise BadInput where the folder `path`, to which files are added, is a bundle or a recording; None will do."""
    if path is not None:
        _refuse_bundles(path, what, [path.resolve()])


def _refuse_bundles(path: Path, what: str, folders: Iterable[Path]) -> None:
    for folder in folders:
        if kind := kind_of(folder):
            raise BadInput(f"{what} {path}: {folder} is a {kind}, to which nothing is added: choose another folder")


def check_empty(folder: Path | None, what: str, overwrite: bool) -> None:
    """Raise BadInput where `folder` holds anything, unless `overwrite`; None will do, and one that is not there."""
    if folder is not None and not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise BadInput(f"{what} {folder} is not empty: choose another folder, or write into it with --overwrite")
