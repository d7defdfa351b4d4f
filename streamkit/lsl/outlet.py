"""Streams out: signals, markers, images, predictions, latency; every sample carries the stamp it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.errors import StreamError
from streamkit.ledger import STAGES
from streamkit.lsl import wire
from streamkit.types import ChannelFormat, FloatArray, OutputSpec, Prediction, Stamps, StreamSpec


class Outlet:
    """What all outlets share: a description, its consumers, an end.

    Parameters
    ----------
    spec
        What the stream is.
    keys
        Pairs below ``<streamkit>`` in its description.
    channels
        False leaves the channel list out of the description.

    Attributes
    ----------
    values_per_push
        About how many values are sent at once: what somebody who keeps them has to reckon with.
    """

    def __init__(self, spec: StreamSpec, keys: Mapping[str, Any] | None = None, *, channels: bool = True) -> None:
        self.spec = spec
        self.values_per_push = spec.n_chans
        self._lsl: pylsl.StreamOutlet | None = pylsl.StreamOutlet(wire.describe(spec, keys, channels=channels))

    @property
    def lsl(self) -> pylsl.StreamOutlet:
        """The pylsl outlet (StreamError once closed)."""
        if self._lsl is None:
            raise StreamError(f"outlet {self.spec.name!r} is closed")
        return self._lsl

    @property
    def header(self) -> str:
        """What the stream says about itself, as the XML document that it sends."""
        return str(self.lsl.get_info().as_xml())

    @property
    def has_consumers(self) -> bool:
        """Whether anybody is subscribed."""
        return self._lsl is not None and self._lsl.have_consumers()

    def wait_for_consumers(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until somebody subscribes; whether somebody did."""
        return bool(self.lsl.wait_for_consumers(timeout))

    def close(self) -> None:
        """End the stream; samples a consumer has not received yet may be lost."""
        self._lsl = None


class SignalOutlet(Outlet):
    """A numeric stream, pushed in chunks with one stamp per sample."""

    def push(self, data: FloatArray | NDArray[np.integer[Any]], stamps: Stamps) -> None:
        """Send ``(n_times, n_chans)`` samples stamped `stamps`, seconds on the LSL clock.

        Values are converted to the stream's format; an array already in it is not copied.
        """
        if len(stamps):
            self.lsl.push_chunk(data, stamps.tolist())


class MarkerOutlet(Outlet):
    """A marker stream: one channel of text or numbers.

    Parameters
    ----------
    name, source_id
        As LSL has them.
    channel_format
        ``"string"`` or a numeric format, for which labels must be numbers.
    keys
        Pairs below ``<streamkit>``.
    type
        LSL type; contains ``"Markers"`` to be found as a marker stream.
    """

    def __init__(
        self,
        name: str,
        source_id: str,
        channel_format: ChannelFormat = "string",
        keys: Mapping[str, Any] | None = None,
        *,
        type: str = wire.TYPE_MARKERS,
    ) -> None:
        super().__init__(_irregular(name, type, ("marker",), source_id, channel_format), keys)
        self._number = {"string": str, "float32": float, "double64": float}.get(channel_format, _whole)

    def push(self, label: str, stamp: float) -> None:
        """Send one marker stamped `stamp`."""
        self.lsl.push_sample([self._number(label)], stamp)


class TextOutlet(Outlet):
    """An irregular stream of one text channel, each sample one JSON object."""

    def __init__(self, name: str, type: str, source_id: str, keys: Mapping[str, Any] | None = None) -> None:
        super().__init__(_irregular(name, type, ("json",), source_id, "string"), keys)

    def push(self, value: Mapping[str, Any], stamp: float) -> None:
        """Send one JSON object stamped `stamp`."""
        self.lsl.push_sample([json.dumps(value)], stamp)


class ImageOutlet(Outlet):
    """Images of one shape, one irregular float32 sample each.

    Parameters
    ----------
    name, source_id
        As LSL has them.
    shape
        ``(channels, height, width)``.
    role
        ``"shown"`` for stimuli, ``"seen"`` for reconstructions.
    keys
        Pairs below ``<streamkit>``.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], role: str, source_id: str, keys: Mapping[str, Any] | None = None
    ) -> None:
        self.shape = tuple(shape)
        spec = _irregular(name, wire.TYPE_IMAGE, _numbered(self.shape), source_id)
        super().__init__(spec, wire.image_keys(self.shape, role) | dict(keys or {}), channels=False)

    def push(self, image: NDArray[Any], stamp: float) -> None:
        """Send one image of the stream's shape, values in [0, 1], stamped `stamp`."""
        if image.shape != self.shape:
            raise StreamError(f"image outlet {self.spec.name!r}: expected shape {self.shape}, got {image.shape}")
        _push_row(self.lsl, image, stamp)


class PredictionOutlet(Outlet):
    """What a model says, each sample stamped with the newest input sample it depends on.

    Parameters
    ----------
    name, source_id
        As LSL has them.
    output
        What the model's output means; an image is sent as an image stream of role ``"seen"``.
    keys
        Further pairs below ``<streamkit>``: simulated, bundle, hash, backend, target …
    """

    def __init__(self, name: str, output: OutputSpec, source_id: str, keys: Mapping[str, Any] | None = None) -> None:
        self.output = output
        image = output.kind == "image"
        labels = output.labels if len(output.labels) == int(np.prod(output.shape)) else _numbered(output.shape)
        kind = wire.TYPE_IMAGE if image else wire.TYPE_PREDICTION
        spec = _irregular(name, kind, labels, source_id).model_copy(update={"unit": output.unit})
        super().__init__(spec, wire.output_keys(output) | dict(keys or {}), channels=not image)

    def push(self, prediction: Prediction) -> None:
        """Send the values, flattened in C order."""
        _push_row(self.lsl, prediction.values, prediction.stamp)


class DecisionOutlet(TextOutlet):
    """One JSON object per prediction: which event it answers, and what won."""

    def __init__(self, name: str, output: OutputSpec, source_id: str, keys: Mapping[str, Any] | None = None) -> None:
        self.output = output
        super().__init__(name, wire.TYPE_DECISION, source_id, keys)

    def push_prediction(self, prediction: Prediction) -> None:
        """Send the decision `prediction` implies, with the same stamp."""
        self.push(decision(prediction, self.output), prediction.stamp)


class LatencyOutlet(Outlet):
    """Milliseconds per stage of every prediction, see `streamkit.ledger.STAGES`."""

    def __init__(self, name: str, source_id: str, keys: Mapping[str, Any] | None = None) -> None:
        spec = _irregular(name, wire.TYPE_LATENCY, STAGES, source_id, "double64")
        super().__init__(spec.model_copy(update={"unit": "milliseconds"}), keys)

    def push(self, stages: Sequence[float], stamp: float) -> None:
        """Send one row stamped with the prediction's stamp."""
        self.lsl.push_sample(stages, stamp)


def decision(prediction: Prediction, output: OutputSpec) -> dict[str, Any]:
    """What the decision stream says about one prediction; values of an image are left out."""
    event, values = prediction.event, None if output.kind == "image" else prediction.values.ravel()
    best = None if values is None else int(values.argmax())
    return {
        "seq": prediction.seq,
        "event": event.label if event else None,
        "event_stamp": event.stamp if event else None,
        "last": prediction.last,
        "stamp": prediction.stamp,
        "valid": prediction.valid,
        "steps": prediction.steps,
        "label": output.labels[best] if best is not None and output.kind == "probabilities" else None,
        "value": None if values is None or best is None else _value(values, best, output),
        "top": likeliest(values, output.labels) if values is not None and output.kind == "probabilities" else None,
    }


def likeliest(values: NDArray[np.float32], labels: Sequence[str], n: int = wire.TOP) -> list[list[Any]]:
    """Label and probability of the `n` best, best first; of equals the one that comes first."""
    return [[labels[k], float(values[k]) if np.isfinite(values[k]) else None] for k in best_of(values, n)]


def best_of(values: NDArray[np.float32], n: int = wire.TOP) -> list[int]:
    """Places of the `n` largest values, largest first; of equals the one that comes first. Not-a-number is least."""
    values = np.nan_to_num(values, nan=-np.inf)
    if len(values) > 16 * n:
        near = np.flatnonzero(values >= np.partition(values, -n)[-n])
        return [int(k) for k in near[np.argsort(-values[near], kind="stable")][:n]]
    return [int(k) for k in np.argsort(-values, kind="stable")[:n]]


def _value(values: NDArray[np.float32], best: int, output: OutputSpec) -> Any:
    chosen = values[best : best + 1] if output.kind == "probabilities" else values
    numbers = [float(v) if np.isfinite(v) else None for v in chosen]
    return numbers[0] if len(numbers) == 1 else numbers


def _irregular(
    name: str, type: str, ch_names: tuple[str, ...], source_id: str, channel_format: ChannelFormat = "float32"
) -> StreamSpec:
    return StreamSpec(
        name=name, type=type, ch_names=ch_names, sfreq=0, channel_format=channel_format, source_id=source_id
    )


def _numbered(shape: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(map(str, range(int(np.prod(shape)))))


def _push_row(outlet: pylsl.StreamOutlet, values: NDArray[Any], stamp: float) -> None:
    # push_chunk takes an array as it lies in memory; push_sample would make a Python float of every value.
    outlet.push_chunk(np.ascontiguousarray(values, np.float32).reshape(1, -1), stamp)


def _whole(label: str) -> int:
    return int(float(label))
