"""The XML of XDF headers and footers, to and from a StreamSpec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as Xml

from streamkit.types import StreamSpec
from streamkit.units import MIXED, common_unit

ELEMENT = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """`text` without the characters XML 1.0 cannot carry."""
    return ILLEGAL.sub("", text)


def add(parent: Xml.Element, tag: str, text: str = "") -> Xml.Element:
    """Append a child element with a text."""
    child = Xml.SubElement(parent, tag)
    child.text = clean(text) or None
    return child


def document(info: Xml.Element) -> bytes:
    """An element as a whole UTF-8 document."""
    return bytes(Xml.tostring(info, encoding="utf-8", xml_declaration=True))


def stream_header(spec: StreamSpec) -> bytes:
    """The ``<info>`` document of one stream, as LSL writes it; `spec.description` goes under ``<streamkit>``."""
    info = Xml.Element("info")
    for tag, text in core(spec).items():
        add(info, tag, text)
    desc = Xml.SubElement(info, "desc")
    if spec.channel_format != "string":
        channels = Xml.SubElement(desc, "channels")
        for label in spec.ch_names:
            channel = Xml.SubElement(channels, "channel")
            add(channel, "label", label)
            add(channel, "unit", spec.unit)
            add(channel, "type", spec.type)
    extra = Xml.SubElement(desc, "streamkit")
    for key, value in spec.description.items():
        if ELEMENT.fullmatch(key):
            add(extra, key, value)
    return document(info)


def core(spec: StreamSpec) -> dict[str, str]:
    """The fields every stream has, as texts."""
    return {
        "name": spec.name,
        "type": spec.type,
        "channel_count": str(spec.n_chans),
        "nominal_srate": repr(spec.sfreq),
        "channel_format": spec.channel_format,
        "source_id": spec.source_id,
        "hostname": spec.hostname,
    }


def file_header(facts: Mapping[str, str]) -> bytes:
    """The ``<info>`` document of a file."""
    info = Xml.Element("info")
    add(info, "version", "1.0")
    for key, value in facts.items():
        add(info, key, value)
    return document(info)


def stream_footer(first: float, last: float, count: int, offsets: Sequence[tuple[float, float]]) -> bytes:
    """The ``<info>`` document that closes one stream."""
    info = Xml.Element("info")
    add(info, "first_timestamp", repr(first))
    add(info, "last_timestamp", repr(last))
    add(info, "sample_count", str(count))
    clock = Xml.SubElement(info, "clock_offsets")
    for time, value in offsets:
        offset = Xml.SubElement(clock, "offset")
        add(offset, "time", repr(time))
        add(offset, "value", repr(value))
    return document(info)


def spec_of_header(content: bytes | str) -> StreamSpec:
    """Read the ``<info>`` document of a stream, whoever wrote it.

    Channels without labels are called ``ch1``, ``ch2`` …; `unit` is what `common_unit` says of the channels
    (``description["units"]`` lists them when they differ).
    """
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    info = Xml.fromstring(clean(text))
    count = int(info.findtext("channel_count", "1"))
    channels = info.findall("./desc/channels/channel")
    units = [(channel.findtext("unit") or "").strip() for channel in channels]
    unit = common_unit(units) if len(units) == count else ""
    facts = description(info)
    if unit == MIXED:
        facts["units"] = ", ".join(units)
    values: dict[str, Any] = {
        field: (info.findtext(field) or "").strip() for field in ("type", "source_id", "hostname")
    }
    return StreamSpec(
        name=info.findtext("name") or "",
        ch_names=labels(channels, count),
        sfreq=float(info.findtext("nominal_srate", "0")),
        unit=unit,
        channel_format=(info.findtext("channel_format") or "float32").removeprefix("cf_"),
        description=facts,
        **values,
    )


def labels(channels: Sequence[Xml.Element], count: int) -> tuple[str, ...]:
    """Return `count` channel names; distinct, and never empty."""
    named = [(channel.findtext("label") or channel.findtext("name") or "").strip() for channel in channels]
    named = [*named, *[""] * count][:count]
    return distinct([name or f"ch{number}" for number, name in enumerate(named, start=1)])


def description(info: Xml.Element) -> dict[str, str]:
    """The plain key-value pairs of a description: its leaves, and the leaves under ``<streamkit>``."""
    leaves = [*info.findall("./desc/*"), *info.findall("./desc/streamkit/*")]
    return {leaf.tag: leaf.text or "" for leaf in leaves if len(leaf) == 0 and leaf.tag != "streamkit"}


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """`names` with ``-2``, ``-3`` … appended where one was there before."""
    seen: set[str] = set()
    out = []
    for name in names:
        fresh, number = name, 1
        while fresh in seen:
            number += 1
            fresh = f"{name}-{number}"
        seen.add(fresh)
        out.append(fresh)
    return tuple(out)
