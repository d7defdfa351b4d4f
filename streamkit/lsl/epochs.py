"""The streams of an encoding: predicted and recorded epochs sample by sample, and how well they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.lsl import wire
from streamkit.lsl.outlet import Outlet, SignalOutlet
from streamkit.types import FloatArray, Stamps, StreamSpec

FACTS = ("stimulus", "event_stamp", "last", "valid", "n")
"""First channels of the encoding stream: number of the stimulus among the labels, stamp of its event, index of the
epoch's newest processed sample, whether all its samples are valid, and how many epochs the correlations cover."""

MEASURES = ("r", "low", "high", "chance")
"""What follows for each channel: its correlation, the ends of the 95 % interval, and what a prediction for another
stimulus gets."""

Report = Callable[[Any, Any], None]


class EpochBroadcast:
    """Predicted, recorded and encoding outlets of one session.

    Epochs of events that follow each other closely overlap, so their stamps can go back; the streams are irregular,
    for a regular one would have its stamps straightened by whoever reads it. Every epoch has the same length.

    Parameters
    ----------
    name, uid
        Name and unique id of the session.
    processed
        The processed stream: channels, rate and unit of the epochs.
    n_times, tmin
        Samples of an epoch; seconds from the event to the first.
    labels
        Of the known stimuli.
    keys
        Facts about the session, written into every description.

    Attributes
    ----------
    on_push
        By stream, what is told of everything sent: values and stamps.
    """

    def __init__(
        self,
        name: str,
        uid: str,
        processed: StreamSpec,
        n_times: int,
        tmin: float,
        labels: tuple[str, ...],
        keys: Mapping[str, Any],
    ) -> None:
        facts = {"sfreq": processed.sfreq, "n_times": n_times, "tmin": tmin, **keys}

        def outlet(what: str, kind: str, ch_names: tuple[str, ...], unit: str, more: Mapping[str, Any]) -> SignalOutlet:
            spec = StreamSpec(
                name=wire.stream_name(name, what),
                type=kind,
                ch_names=ch_names,
                sfreq=0,
                unit=unit,
                channel_format="double64" if kind == wire.TYPE_ENCODING else "float32",
                source_id=wire.source_id(name, uid, what),
            )
            return SignalOutlet(spec, {**facts, **more})

        epochs = wire.TYPE_EPOCHS, processed.ch_names, processed.unit
        self.predicted = outlet(wire.PREDICTED, *epochs, {"role": "predicted"})
        self.recorded = outlet(wire.RECORDED, *epochs, {"role": "recorded"})
        rows = encoding_channels(processed.ch_names)
        self.encoding = outlet(wire.ENCODING, wire.TYPE_ENCODING, rows, "", {"labels": list(labels)})
        for epochs_outlet in (self.predicted, self.recorded):
            epochs_outlet.values_per_push = 4 * n_times * processed.n_chans
        self.on_push: dict[str, Report] = {}

    @property
    def outlets(self) -> dict[str, Outlet]:
        """By what they carry."""
        return {wire.PREDICTED: self.predicted, wire.RECORDED: self.recorded, wire.ENCODING: self.encoding}

    def publish(self, predicted: FloatArray, recorded: FloatArray, stamps: Stamps) -> None:
        """Send both epochs, ``(n_times, n_chans)``, with the same stamps."""
        sides = ((wire.PREDICTED, self.predicted, predicted), (wire.RECORDED, self.recorded, recorded))
        for what, outlet, data in sides:
            rows = np.ascontiguousarray(data, np.float32)
            outlet.push(rows, stamps)
            self._tell(what, rows, stamps)

    def report(self, facts: tuple[float, ...], measures: tuple[NDArray[np.float64], ...], stamp: float) -> None:
        """Send `FACTS` and `MEASURES` of one epoch, stamped as its newest sample."""
        row = np.concatenate([np.array(facts, np.float64), *measures])[np.newaxis]
        stamps = np.array([stamp])
        self.encoding.push(row, stamps)
        self._tell(wire.ENCODING, row, stamps)

    def close(self) -> None:
        """End the streams."""
        for outlet in self.outlets.values():
            outlet.close()

    def _tell(self, what: str, rows: FloatArray, stamps: Stamps) -> None:
        if what in self.on_push:
            self.on_push[what](rows, stamps)


def encoding_channels(ch_names: tuple[str, ...]) -> tuple[str, ...]:
    """Channels of the encoding stream for epochs of these channels."""
    return (*FACTS, *(f"{measure} {name}" for measure in MEASURES for name in ch_names))
