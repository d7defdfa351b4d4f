"""The table of networks: where each comes from and what it expects; a new network is one file plus one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import device, nn


@dataclass(frozen=True)
class ModelRow:
    """One network.

    Attributes
    ----------
    source
        Who published it, and where; ``"textbook"`` when nobody in particular.
    takes
        What a window holds.
    size
        ``n_chans, n_times, out_shape, sfreq`` at which its parameters are counted, the published ones where there are.
    args
        Further arguments at that size.
    """

    name: str
    summary: str
    source: str
    takes: str
    size: tuple[int, int, tuple[int, ...], float]
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """What its builder takes at `size`."""
        return dict(zip(("n_chans", "n_times", "out_shape", "sfreq"), self.size, strict=True)) | self.args

    def build(self, builder: Callable[..., nn.Module]) -> nn.Module:
        """Build it at `size`, without memory for its weights where its layers allow."""
        try:
            with device("meta"):
                return builder(**self.arguments)
        except NotImplementedError:
            return builder(**self.arguments)


def n_parameters(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


EEG = "any continuous signal, (n_chans, n_times)"
SECOND_OF_EEG = (63, 250, (2,), 250.0)

MODELS: dict[str, ModelRow] = {
    row.name: row
    for row in (
        ModelRow("linear", "bins of the window, standardised, times one matrix", "textbook", EEG, SECOND_OF_EEG),
        ModelRow(
            "tone_power",
            "power at given frequencies and harmonics, read out linearly",
            "Norcia et al. 2015, J Vis 15(6):4 (signal-to-noise form)",
            "steady-state responses, (n_chans, n_times)",
            (8, 500, (3,), 250.0),
            {"frequencies": [13.0, 17.0, 21.0]},
        ),
        ModelRow(
            "brainae_classifier",
            "temporal-spatial convolutions to a 1024-d embedding, with a linear head",
            "BrainAE, authors' release v0.2",
            EEG,
            SECOND_OF_EEG,
        ),
        ModelRow(
            "v1_cnn",
            "image from one response vector: linear read-in, five transposed convolutions",
            "EPFL report on mouse V1 image decoding, Table II",
            "responses of many neurons, (n_chans, n_times) flattened",
            (8587, 1, (1, 36, 64), 1.0),
        ),
        ModelRow(
            "eegnet",
            "depthwise and separable convolutions",
            "Lawhern et al. 2018 (braindecode)",
            EEG,
            SECOND_OF_EEG,
        ),
        ModelRow(
            "shallow_fbcsp",
            "one temporal and one spatial convolution, log power",
            "Schirrmeister et al. 2017 (braindecode)",
            EEG,
            SECOND_OF_EEG,
        ),
        ModelRow(
            "deep4",
            "four blocks of convolution and pooling",
            "Schirrmeister et al. 2017 (braindecode)",
            EEG,
            SECOND_OF_EEG,
        ),
        ModelRow(
            "eegconformer",
            "convolutions, then a transformer",
            "Song et al. 2023 (braindecode)",
            EEG,
            SECOND_OF_EEG,
        ),
    )
}
