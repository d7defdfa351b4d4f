"""ezmsg: a graph of its LSL inlet, Butterworth filter and window, and one unit of ours that runs the network.

With its defaults (``zero_pad_until="full"``) the first window ends with the first message, which holds as many
samples of the first chunk as had come, often one. All windows then end within a chunk, and a window's newest sample
waits for the rest of its chunk to be sent. ``"none"`` begins with a window of real samples, which ends a chunk.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ezmsg.core as ez
import numpy as np
import pylsl
from ezmsg.lsl.inlet import LSLInfo, LSLInletSettings, LSLInletUnit
from ezmsg.sigproc.butterworthfilter import ButterworthFilter, ButterworthFilterSettings
from ezmsg.sigproc.window import Window, WindowSettings
from ezmsg.util.messages.axisarray import AxisArray

from apps.bench import engine
from apps.bench.job import Job


class DecoderSettings(ez.Settings):
    """Job, name of the outlet, and the network's file."""

    job: Job
    out: str
    onnx: Path


class Decoder(ez.Unit):
    """Each window through the network, out on LSL with the stamp of its newest sample."""

    SETTINGS = DecoderSettings
    INPUT = ez.InputStream(AxisArray)

    def initialize(self) -> None:
        """Compile the network and open the outlet."""
        job, out = self.SETTINGS.job, self.SETTINGS.out
        self.predict = engine.load(self.SETTINGS.onnx, (job.n_chans, job.n_times))
        self.outlet = pylsl.StreamOutlet(pylsl.StreamInfo(out, "Prediction", job.n_outputs, 0, pylsl.cf_float32, out))

    @ez.subscriber(INPUT)
    async def on_window(self, message: AxisArray) -> None:
        """``(n_times, n_chans)``, offset by the stamp of its first sample."""
        stamp = message.axes["time"].value(len(message.data) - 1)
        self.outlet.push_sample(self.predict(np.ascontiguousarray(message.data.T, np.float32)), stamp)


def main(job: Job, source: str, out: str, onnx: Path, zero_pad_until: str = "full") -> None:
    """Run the graph until ended. Stamps stay as the source sent them (ezmsg would turn them into wall-clock time)."""
    units = {
        "INLET": LSLInletUnit(LSLInletSettings(info=LSLInfo(name=source), use_lsl_clock=True, processing_flags=0)),
        "FILTER": ButterworthFilter(
            ButterworthFilterSettings(coef_type="sos", order=job.order, cuton=job.band[0], cutoff=job.band[1])
        ),
        "WINDOW": Window(
            WindowSettings(
                window_dur=job.n_times / job.sfreq, window_shift=job.hop / job.sfreq, zero_pad_until=zero_pad_until
            )
        ),
        "DECODER": Decoder(DecoderSettings(job=job, out=out, onnx=onnx)),
    }
    edges = (
        (units["INLET"].OUTPUT_SIGNAL, units["FILTER"].INPUT_SIGNAL),
        (units["FILTER"].OUTPUT_SIGNAL, units["WINDOW"].INPUT_SIGNAL),
        (units["WINDOW"].OUTPUT_SIGNAL, units["DECODER"].INPUT),
    )
    ez.run(components=units, connections=edges)


if __name__ == "__main__":
    main(Job.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), *sys.argv[5:])
