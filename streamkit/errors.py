"""Every error streamkit raises on purpose, in one tree.

::

    StreamkitError                exit status 1: a check failed, or the work could not go on
    ├── BadInput                  exit status 2: what was given cannot be used
    │   ├── RecordingError        a file or folder that is not a whole recording of a known kind
    │   │   └── DiskError         exit status 1: the disk did not take what was to be written
    │   ├── ConfigError           a recipe, world, contract or option with a wrong key or value
    │   ├── BundleError           a bundle that is incomplete, changed or unsafe
    │   └── MissingPackage        an optional package is not installed; says which extra brings it
    ├── StreamError               something about an LSL stream
    │   ├── StreamNotFound        nothing matched the query; lists what was found
    │   ├── ContractMismatch      a stream that is not what the bundle was calibrated on
    │   └── StreamLost            the source went away and did not come back
    ├── BackendError              a backend that cannot run here, or that failed its proof
    │   └── CannotRun             exit status 2: what was asked for is nothing for that graph
    ├── OverrunError              a reader fell behind by more than a ring holds
    └── CheckFailed               a verification that ran and did not hold

A message names what was given, what was expected and what to do next.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from difflib import get_close_matches
from types import ModuleType


class StreamkitError(Exception):
    """Base of all deliberate errors; the command line prints it without a traceback."""

    exit_status = 1


class BadInput(StreamkitError):
    """What was given cannot be used."""

    exit_status = 2


class RecordingError(BadInput):
    """A file or folder that is not a whole recording of a known kind."""


class DiskError(RecordingError):
    """The disk did not take what was to be written; what it took before is kept."""

    exit_status = 1


class ConfigError(BadInput):
    """A recipe, world, contract or option with a wrong key or value."""


class BundleError(BadInput):
    """A bundle that is incomplete, changed or unsafe."""


class MissingPackage(BadInput):
    """An optional package is not installed."""


class StreamError(StreamkitError):
    """Something about an LSL stream."""


class StreamNotFound(StreamError):
    """Nothing on the network matched the query."""


class ContractMismatch(StreamError):
    """A stream that is not what the bundle was calibrated on.

    Parameters
    ----------
    differences
        One line per difference, each naming what was expected and what came.
    """

    exit_status = 2

    def __init__(self, message: str, differences: tuple[str, ...] = ()) -> None:
        self.differences = differences
        super().__init__("\n  ".join((message, *differences)))


class StreamLost(StreamError):
    """The source went away and did not come back."""


class BackendError(StreamkitError):
    """A backend that cannot run here, or that failed its proof."""


class CannotRun(BackendError):
    """A backend, device or precision was asked for that is nothing for that graph."""

    exit_status = 2


class OverrunError(StreamkitError):
    """A reader fell behind by more than a ring holds."""


class CheckFailed(StreamkitError):
    """A verification that ran and did not hold."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest of `known`, or nothing when none is close."""
    close = get_close_matches(given, list(known), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def require(module: str, extra: str, why: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module
        Dotted name, e.g. ``"mne"``.
    extra
        The extra of this distribution that installs it, e.g. ``"io"``.
    why
        What needed it, as the subject of a sentence, e.g. ``"reading FIF"``.

    Raises
    ------
    MissingPackage
        When the import fails.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackage(
            f"{why} needs the package {module.split('.')[0]!r}, which could not be imported "
            f"({error}). Install it with: pip install 'streamkit[{extra}]'"
        ) from error
