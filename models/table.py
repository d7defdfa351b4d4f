"""The table of networks: where each comes from and what it expects; a new network is one file plus one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import device, nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """One published size of a network: arguments of its builder, and shapes without the batch."""

    args: dict[str, Any]
    inputs: tuple[Shape, ...]
    output: Shape


@dataclass(frozen=True)
class ModelRow:
    """One network.

    Attributes
    ----------
    source
        Who published it, and where; ``"textbook"`` when nobody in particular.
    takes
        What its inputs hold.
    args
        All arguments of its builder at the size at which its parameters are counted, the published one where there is.
    inputs, output
        Shapes at that size, without the batch; an input of shape ``()`` is a time of a diffusion, one number per item.
    built_by
        Entry point that builds it; that of its own name where left out.
    also
        Further published sizes by name.
    """

    name: str
    summary: str
    source: str
    takes: str
    args: dict[str, Any]
    inputs: tuple[Shape, ...]
    output: Shape
    built_by: str = ""
    also: dict[str, Size] = field(default_factory=dict)

    @property
    def builder(self) -> str:
        """Entry point of the group ``streamkit.models``."""
        return self.built_by or self.name

    def at(self, size: str = "") -> Size:
        """The size of that name; the first one where `also` has none."""
        return self.also.get(size, Size(self.args, self.inputs, self.output))

    def build(self, builder: Callable[..., nn.Module], size: str = "") -> nn.Module:
        """Build it at a size, on the meta device, which takes no memory, where its layers allow."""
        args = self.at(size).args
        try:
            with device("meta"):
                return builder(**args)
        except NotImplementedError:
            return builder(**args)


def n_parameters(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def on_meta(model: nn.Module) -> bool:
    """Whether it was built without memory."""
    return all(parameter.is_meta for parameter in model.parameters())


def window(n_chans: int, n_times: int, out_shape: Shape, sfreq: float, **further: Any) -> dict[str, Any]:
    """Size of a network that answers windows: arguments, input and output."""
    args = {"n_chans": n_chans, "n_times": n_times, "out_shape": out_shape, "sfreq": sfreq}
    return {"args": args | further, "inputs": ((n_chans, n_times),), "output": out_shape}


def brain_encoder(n_chans: int, n_times: int, **further: Any) -> dict[str, Any]:
    """Size of a network from responses to embeddings."""
    args = {"n_chans": n_chans, "n_times": n_times, **further}
    return {"args": args, "inputs": ((n_chans, n_times),), "output": (1024,)}


def brain_decoder(n_chans: int, n_times: int, **further: Any) -> dict[str, Any]:
    """Size of a network from embeddings to responses."""
    args = {"n_chans": n_chans, "n_times": n_times, **further}
    return {"args": args, "inputs": ((1024,),), "output": (n_chans, n_times)}


EEG = "any continuous signal, (n_chans, n_times)"
EMBEDDING = "an embedding of an image or of a response to one, (embedding,)"
RELEASE = "BrainAE, authors' release v0.2"
SECOND_OF_EEG = window(63, 250, (2,), 250.0)
MEG, MUA = (271, 200), (1024, 200)
Z_SCORED = {"out_act": "identity"}

MODELS: dict[str, ModelRow] = {
    row.name: row
    for row in (
        ModelRow("linear", "bins of the window, standardised, times one matrix", "textbook", EEG, **SECOND_OF_EEG),
        ModelRow(
            "tone_power",
            "power at given frequencies and harmonics, read out linearly",
            "Norcia et al. 2015, J Vis 15(6):4 (signal-to-noise form)",
            "steady-state responses, (n_chans, n_times)",
            **window(8, 500, (3,), 250.0, frequencies=[13.0, 17.0, 21.0]),
        ),
        ModelRow(
            "brainae_classifier",
            "temporal-spatial convolutions to a 1024-d embedding, with a linear head",
            RELEASE,
            EEG,
            **SECOND_OF_EEG,
        ),
        ModelRow(
            "v1_cnn",
            "image from one response vector: linear read-in, five transposed convolutions",
            "EPFL report on mouse V1 image decoding, Table II",
            "responses of many neurons, (n_chans, n_times) flattened",
            **window(8587, 1, (1, 36, 64), 1.0),
        ),
        ModelRow(
            "eegnet",
            "depthwise and separable convolutions",
            "Lawhern et al. 2018 (braindecode)",
            EEG,
            **SECOND_OF_EEG,
        ),
        ModelRow(
            "shallow_fbcsp",
            "one temporal and one spatial convolution, log power",
            "Schirrmeister et al. 2017 (braindecode)",
            EEG,
            **SECOND_OF_EEG,
        ),
        ModelRow(
            "deep4",
            "four blocks of convolution and pooling",
            "Schirrmeister et al. 2017 (braindecode)",
            EEG,
            **SECOND_OF_EEG,
        ),
        ModelRow(
            "eegconformer",
            "convolutions, then a transformer",
            "Song et al. 2023 (braindecode)",
            EEG,
            **SECOND_OF_EEG,
        ),
        ModelRow(
            "brainae_encoder",
            "brain encoder: temporal-spatial convolutions to a 1024-d embedding",
            RELEASE,
            EEG,
            **brain_encoder(63, 250),
            also={"MEG": Size(**brain_encoder(*MEG)), "MUA": Size(**brain_encoder(*MUA))},
        ),
        ModelRow(
            "brainae_decoder",
            "brain decoder: transposed convolutions across channels and over time",
            RELEASE,
            EMBEDDING,
            **brain_decoder(63, 250),
            also={"MEG": Size(**brain_decoder(*MEG, **Z_SCORED)), "MUA": Size(**brain_decoder(*MUA, **Z_SCORED))},
        ),
        ModelRow(
            "brainae_linear_decoder",
            "brain decoder of one matrix, the baseline",
            "BrainAE, Table 1",
            EMBEDDING,
            **brain_decoder(63, 250),
            also={"MEG": Size(**brain_decoder(*MEG)), "MUA": Size(**brain_decoder(*MUA))},
        ),
        ModelRow(
            "brainae_prior",
            "diffusion prior from a brain embedding to an image embedding: U-Net of linear layers",
            "ATM (Li et al. 2024, arXiv 2403.07721), as BrainAE uses it",
            "a noisy embedding, a time, and the embedding that conditions it",
            args={},
            inputs=((1024,), (), (1024,)),
            output=(1024,),
        ),
        *(
            ModelRow(
                f"{name}_encoder",
                f"`{name}` as brain encoder with a 1024-d embedding",
                f"{source} (braindecode), as BrainAE compares it",
                EEG,
                **brain_encoder(63, 250, name=name, sfreq=250.0),
                built_by="backbone_encoder",
            )
            for name, source in (
                ("eegnet", "Lawhern et al. 2018"),
                ("shallow_fbcsp", "Schirrmeister et al. 2017"),
                ("deep4", "Schirrmeister et al. 2017"),
                ("eegconformer", "Song et al. 2023"),
            )
        ),
    )
}
