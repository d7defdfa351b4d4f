"""Recordings that set the ranges of a quantised graph, and recordings that measure what it costs: never the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from streamkit.bundle import ModelBundle
from streamkit.errors import ConfigError
from streamkit.recording import Recording


@dataclass(frozen=True)
class Apart:
    """Who does what.

    Attributes
    ----------
    setting, measuring
        Recordings that set ranges, and those that measure.
    warnings
        What is allowed, and weakens what the measurement says.
    """

    setting: tuple[Recording, ...]
    measuring: tuple[Recording, ...]
    warnings: tuple[str, ...] = ()


def set_apart(bundle: ModelBundle, given: Sequence[Recording], measuring: Sequence[Recording] = ()) -> Apart:
    """Say which recordings set ranges and which measure the effect.

    Parameters
    ----------
    given
        Recordings that set ranges; where `measuring` is empty, those of groups that the bundle holds out measure.
    measuring
        Recordings that measure.

    Raises
    ------
    ConfigError
        When nothing is left for one of the two, when a measuring recording is of a group that was trained on or that
        sets ranges, or when it holds the same samples as one that sets ranges.
    """
    held = bundle.provenance.held_out
    setting = list(given) if measuring else [r for r in given if r.meta.group not in held]
    measuring = list(measuring) or [r for r in given if r.meta.group in held]
    _check_enough(bundle, given, setting, measuring)
    for recording in measuring:
        _check_unseen(bundle, recording)
        for other in setting:
            _check_other(recording, other)
    return Apart(tuple(setting), tuple(measuring), tuple(_warnings(bundle, setting, measuring)))


def _check_enough(
    bundle: ModelBundle, given: Sequence[Recording], setting: Sequence[Recording], measuring: Sequence[Recording]
) -> None:
    held = ", ".join(bundle.provenance.held_out) or "none"
    names = ", ".join(recording.meta.name for recording in given) or "none"
    if not measuring:
        raise ConfigError(
            f"nothing measures the effect: none of the recordings ({names}) is of a group that the bundle holds out "
            f"({held}). Give one that it was not trained on with --evaluate"
        )
    if not setting:
        raise ConfigError(
            f"nothing sets the ranges: all recordings ({names}) are of groups that the bundle holds out ({held}), so "
            "they measure the effect. Give recordings that it was trained on, too (`streamkit convert` writes them)"
        )


def _check_unseen(bundle: ModelBundle, recording: Recording) -> None:
    group = recording.meta.group
    if group and group in bundle.provenance.trained_on:
        held = ", ".join(bundle.provenance.held_out)
        raise ConfigError(
            f"{recording.meta.name} cannot measure the effect, for the bundle was trained on its group {group!r}: "
            f"give a recording of a group that it holds out ({held or 'none: calibrate with split.held_out'})"
        )


def _check_other(recording: Recording, other: Recording) -> None:
    group = recording.meta.group
    if group and group == other.meta.group:
        raise ConfigError(
            f"{recording.meta.name} cannot measure the effect, for {other.meta.name} of its group {group!r} sets the "
            "ranges: a group does one or the other"
        )
    if _samples(recording) == _samples(other):
        raise ConfigError(
            f"{recording.meta.name} cannot measure the effect, for {other.meta.name}, which sets the ranges, holds "
            "the same samples: give another recording"
        )


def _samples(recording: Recording) -> bytes:
    digest = hashlib.sha256()
    for signal in recording.signals:
        digest.update(signal.data.tobytes())
    return digest.digest()


def _warnings(bundle: ModelBundle, setting: Sequence[Recording], measuring: Sequence[Recording]) -> list[str]:
    provenance, said = bundle.provenance, []
    spent = sorted({r.meta.group for r in setting} & set(provenance.held_out))
    if spent:
        said.append(
            f"group {', '.join(spent)}, which the bundle holds out, sets ranges: it can no longer score the int8 graph"
        )
    known = {*provenance.trained_on, *provenance.held_out}
    strange = sorted({r.meta.group or r.meta.name for r in measuring if r.meta.group not in known})
    if not known:
        said.append("the bundle does not say what it was trained on, so nobody can tell whether the effect is unseen")
    elif strange:
        said.append(f"the bundle does not know group {', '.join(strange)}, which is taken for unseen")
    return said
