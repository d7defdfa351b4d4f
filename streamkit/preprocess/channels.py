"""Channels by name, with an error that helps when a name is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import ConfigError


def channel_indices(wanted: Sequence[str], ch_names: Sequence[str]) -> NDArray[np.intp]:
    """Columns of the channels called `wanted`, in that order.

    Raises
    ------
    ConfigError
        When a name is unknown (lists close matches), given twice, or none was given.
    """
    if not wanted:
        raise ConfigError("expected at least one channel name, got none")
    column = {name: at for at, name in reversed(list(enumerate(ch_names)))}
    unknown = [name for name in wanted if name not in column]
    if unknown:
        raise ConfigError("; ".join(_unknown(name, ch_names) for name in unknown))
    if len(set(wanted)) < len(wanted):
        raise ConfigError(f"every channel may be named once, got {', '.join(wanted)}")
    return np.array([column[name] for name in wanted], np.intp)


def _unknown(name: str, ch_names: Sequence[str]) -> str:
    spelled = {candidate.casefold(): candidate for candidate in ch_names}
    close = [spelled[match] for match in get_close_matches(name.casefold(), list(spelled))]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"the stream has {_listed(ch_names)}"
    return f"there is no channel {name!r}: {hint}"


def _listed(ch_names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(ch_names) - most} more" if len(ch_names) > most else ""
    return ", ".join(ch_names[:most]) + more
