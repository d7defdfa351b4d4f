"""What leaves on the wire: names, source ids, types and the description of every stream.

A live session called NAME with id UID publishes ``NAME-prediction``, ``NAME-decisions``, ``NAME-latency``,
``NAME-health`` and, with stimuli, ``NAME-shown``; one that predicts the brain's answers also ``NAME-predicted``,
``NAME-recorded`` and ``NAME-encoding``, one with a gallery ``NAME-candidates``; their source ids are
``NAME-UID/prediction`` and so on. The description of every stream holds its channels (label, unit, type) as the XDF
convention has them, and our own facts as key-value pairs below ``<streamkit>``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pylsl

from streamkit.types import OutputSpec, StreamSpec

ROOT = "streamkit"
"""Child of ``<desc>`` that carries our key-value pairs."""

PREDICTION, DECISIONS, LATENCY, HEALTH, SHOWN = "prediction", "decisions", "latency", "health", "shown"

PREDICTED, RECORDED, ENCODING, CANDIDATES = "predicted", "recorded", "encoding", "candidates"

TYPE_PREDICTION, TYPE_IMAGE, TYPE_DECISION = "Prediction", "Image", "Decision"
TYPE_LATENCY, TYPE_HEALTH, TYPE_MARKERS = "Latency", "Health", "Markers"
TYPE_EPOCHS, TYPE_ENCODING, TYPE_CANDIDATES = "Epochs", "Encoding", "Candidates"

TOP = 5
"""How many candidates a decision names, likeliest first."""

FORMATS = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "double64",
    pylsl.cf_string: "string",
    pylsl.cf_int32: "int32",
    pylsl.cf_int16: "int16",
    pylsl.cf_int8: "int8",
    pylsl.cf_int64: "int64",
}
"""liblsl's channel format codes → the names used in `StreamSpec`."""


def stream_name(session: str, what: str) -> str:
    """LSL name of one stream of a session, e.g. ``"streamkit-prediction"``."""
    return f"{session}-{what}"


def source_id(session: str, uid: str, what: str) -> str:
    """Source id of one stream of a session, e.g. ``"streamkit-1f3c/prediction"``."""
    return f"{session}-{uid}/{what}"


def describe(spec: StreamSpec, keys: Mapping[str, Any] | None = None, *, channels: bool = True) -> pylsl.StreamInfo:
    """Build the stream information of an outlet.

    Parameters
    ----------
    spec
        Name, type, channels, rate, unit, format and source id; its `description` is written below ``<streamkit>``.
    keys
        Further pairs below ``<streamkit>``; anything but a string is written as JSON, None is left out.
    channels
        False leaves the channel list out (images: one channel per pixel says nothing).
    """
    info = pylsl.StreamInfo(
        spec.name or "unnamed", spec.type, spec.n_chans, spec.sfreq, spec.channel_format, spec.source_id
    )
    if channels:
        _write_channels(info, spec)
    own = info.desc().append_child(ROOT)
    for key, value in (dict(spec.description) | dict(keys or {})).items():
        if value is not None:
            own.append_child_value(key, value if isinstance(value, str) else json.dumps(value))
    return info


def output_keys(output: OutputSpec) -> dict[str, Any]:
    """Return what a reader of predictions needs to know about `output`, as ``<streamkit>`` keys."""
    keys: dict[str, Any] = {
        "kind": output.kind,
        "labels": list(output.labels),
        "classes": output.classes,
        "chance": output.chance,
        "unit": output.unit,
    }
    if output.kind == "image":
        keys |= image_keys(output.shape, "seen")
    return keys


def image_keys(shape: tuple[int, ...], role: str) -> dict[str, str]:
    """Shape, layout and role (``"seen"`` or ``"shown"``) of an image stream, as ``<streamkit>`` keys."""
    return {"shape": ",".join(map(str, shape)), "layout": "CHW", "role": role}


def keys_of(info: pylsl.StreamInfo) -> dict[str, str]:
    """Return the pairs below ``<streamkit>`` of a full description; empty for a foreign stream."""
    pairs = {}
    child = info.desc().child(ROOT).first_child()
    while not child.empty():
        pairs[child.name()] = child.child_value()
        child = child.next_sibling()
    return pairs


def channels_of(info: pylsl.StreamInfo) -> list[dict[str, str]]:
    """``label``, ``unit`` and ``type`` of every channel in a full description; an empty list when it has none."""
    found = []
    channel = info.desc().child("channels").child("channel")
    while not channel.empty():
        found.append({key: channel.child_value(key) for key in ("label", "unit", "type")})
        channel = channel.next_sibling("channel")
    return found


def _write_channels(info: pylsl.StreamInfo, spec: StreamSpec) -> None:
    channels = info.desc().append_child("channels")
    for label in spec.ch_names:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", spec.unit)
        channel.append_child_value("type", spec.type)
