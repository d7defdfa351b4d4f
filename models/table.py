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


def of_images(size: int, output: Shape, **args: Any) -> dict[str, Any]:
    """Size of a network that takes colour images."""
    return {"args": args, "inputs": ((3, size, size),), "output": output}


def brain_decoder(n_chans: int, n_times: int, **further: Any) -> dict[str, Any]:
    """Size of a network from embeddings to responses."""
    args = {"n_chans": n_chans, "n_times": n_times, **further}
    return {"args": args, "inputs": ((1024,),), "output": (n_chans, n_times)}


def of_mouse(output: Shape, n_times: int = 1, n_chans: int = 8587, **further: Any) -> dict[str, Any]:
    """Size of a decoder of mouse V1, one number per neuron."""
    return window(n_chans, n_times, output, 1.0, **further)


EEG = "any continuous signal, (n_chans, n_times)"
EMBEDDING = "an embedding of an image or of a response to one, (embedding,)"
RELEASE = "BrainAE, authors' release v0.2"
VIDEO = "Zhang et al., macaque multi-unit activity to video (sizes as in its authors' code)"
COUNTS = "standardised spike counts of a trial, (n_sites, n_bins)"
CLIP = (3, 45, 32, 32)
V1_REPORT = "EPFL report on mouse V1 image decoding"
NEURONS = "responses of many neurons, (n_chans, n_times) flattened"
GREY_IMAGE = (1, 36, 64)
SECOND_OF_EEG = window(63, 250, (2,), 250.0)
MEG, MUA = (271, 200), (1024, 200)
BRAIN2PIX = "Le et al. 2021, Brain2Pix (layers as in its authors' code)"
VOXELS = "standardised voxels of visual areas at 4 to 8 volumes after a frame, (n_voxels, 5)"
FRAME = (3, 96, 96)
TR = 0.7
REGIONS = [1500, 1500, 1500]
CLIP_OF_FIELDS = (1, 12, 96, 96)
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
            f"{V1_REPORT}, Table II",
            NEURONS,
            **of_mouse(GREY_IMAGE),
            also={"64 maps": Size(**of_mouse(GREY_IMAGE, unflatten=(64, 18, 32)))},
        ),
        ModelRow(
            "v1_encoder",
            "grey picture to the response of every neuron: four convolutions, a place per neuron (Gaussian readout)",
            f"{V1_REPORT}; core of Lurz et al. 2021",
            "a standardised grey picture, (1, height, width)",
            args={"n_chans": 8587, "image": GREY_IMAGE},
            inputs=(GREY_IMAGE,),
            output=(8587,),
        ),
        ModelRow(
            "v1_encoder_linear",
            "the earlier form: three convolutions and a linear readout of maps averaged 4 x 4",
            f"{V1_REPORT}, footnote; how far maps are averaged is chosen here",
            "a standardised grey picture, (1, height, width)",
            args={"n_chans": 8587, "image": GREY_IMAGE},
            inputs=(GREY_IMAGE,),
            output=(8587,),
        ),
        ModelRow(
            "v1_inversion_step",
            "one step of the inverted encoder: gradient, blur, descent, rescaling, written out as a graph",
            V1_REPORT,
            "a picture, and responses of many neurons",
            args={"n_chans": 8587, "n_times": 1, "out_shape": GREY_IMAGE},
            inputs=(GREY_IMAGE, (8587, 1)),
            output=GREY_IMAGE,
        ),
        ModelRow(
            "v1_gan",
            "generator of the GAN decoder: read-in through most exciting images, six convolutions",
            V1_REPORT,
            NEURONS,
            **of_mouse(GREY_IMAGE),
            also={"256 channels": Size(**of_mouse(GREY_IMAGE, readin=256))},
        ),
        ModelRow(
            "v1_discriminator",
            "discriminator of the GAN decoder, one head for each mouse",
            V1_REPORT,
            "a grey picture, (1, height, width)",
            args={"image": GREY_IMAGE},
            inputs=(GREY_IMAGE,),
            output=(1,),
        ),
        ModelRow(
            "v1_latent",
            "responses to the latent of an image autoencoder: perceptron, one matrix, or perceptron and convolutions",
            V1_REPORT,
            NEURONS,
            **of_mouse((4, 8, 8)),
            also={name: Size(**of_mouse((4, 8, 8), readin=name)) for name in ("ridge", "conv")},
        ),
        ModelRow(
            "v1_feature_inverter",
            "features of a classifier to a grey picture: nine transposed convolutions",
            V1_REPORT,
            "features of ResNet50, (1024, 14, 14)",
            args={},
            inputs=((1024, 14, 14),),
            output=(1, 224, 224),
        ),
        ModelRow(
            "v1_feature_readin",
            "responses to features of a classifier: a matrix and four convolutions",
            V1_REPORT,
            NEURONS,
            **of_mouse((1024, 14, 14)),
        ),
        ModelRow(
            "v1_resnet",
            "the two chained: responses to features, features to a grey picture",
            V1_REPORT,
            NEURONS,
            **of_mouse((1, 224, 224)),
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
        ModelRow(
            "spikes2video",
            "spikes to video: a spike decoder per bin and a 3D U-Net over the clip, without skip connections",
            VIDEO,
            COUNTS,
            **window(140, 45, CLIP, 10.0),
        ),
        ModelRow(
            "spikes2video_mlp",
            "spikes to video, baseline: three linear layers per bin",
            VIDEO,
            COUNTS,
            **window(140, 45, CLIP, 10.0),
        ),
        ModelRow(
            "spikes2video_shallow",
            "spikes to video, baseline: a linear layer and four small convolutions per bin",
            VIDEO,
            COUNTS,
            **window(140, 45, CLIP, 10.0),
        ),
        ModelRow(
            "spikes2video_streaming",
            "spikes to video while the trial runs: the frame under the newest bin, from the last 45",
            f"{VIDEO}; the streaming form is of this project",
            COUNTS,
            **window(140, 45, (3, 32, 32), 10.0),
        ),
        ModelRow(
            "spikes2video_inverse",
            "video to spikes: the same U-Net and two linear layers per bin",
            VIDEO,
            "a clip in [0, 1], (3, n_frames, height, width)",
            args={"n_chans": 140, "n_times": 45, "clip": CLIP},
            inputs=(CLIP,),
            output=(140, 45),
        ),
        ModelRow(
            "image2ecog",
            "image to the ECoG of every channel: three convolutions, a regressor of three hidden layers",
            "ECoG from images (the paper gives the layers, not their widths)",
            "a colour image in [0, 1], (3, size, size)",
            **of_images(224, (80, 200), n_chans=80, n_times=200),
            also={"values": Size(**of_images(224, (80,), n_chans=80))},
        ),
        ModelRow(
            "image2ecog_classifier",
            "the convolutions of `image2ecog` with a linear layer that tells categories",
            "ECoG from images, first stage of the classification-regressor",
            "a colour image in [0, 1], (3, size, size)",
            **of_images(224, (5,), n_classes=5),
        ),
        ModelRow(
            "brain2pix",
            "voxels to receptive-field images (FixedRF), and these to a picture by a U-Net with skips",
            BRAIN2PIX,
            VOXELS,
            **window(4500, 5, FRAME, 1 / TR, regions=REGIONS),
            also={
                "LearnedRF": Size(**window(4500, 5, FRAME, 1 / TR, regions=REGIONS, learned=True)),
                "one region": Size(**window(1500, 5, FRAME, 1 / TR, regions=REGIONS[:1])),
            },
        ),
        ModelRow(
            "brain2pix_discriminator",
            "whether a picture belongs to receptive-field images, place by place",
            BRAIN2PIX,
            "receptive-field images (15, height, width) and a picture in [0, 1], (3, height, width)",
            args={"n_in": 15},
            inputs=((15, *FRAME[1:]), FRAME),
            output=(1, 6, 6),
        ),
        ModelRow(
            "brain2pix_shen",
            "Brain2Pix, baseline: its generator on images that a linear map of all voxels makes",
            "after Shen et al. 2019, as Brain2Pix compares it; the rank of 256 is of this project",
            VOXELS,
            **window(4500, 5, FRAME, 1 / TR),
        ),
        ModelRow(
            "brain2pix_dense",
            "Brain2Pix, baseline: linear layers alone",
            f"{BRAIN2PIX}; of its widths the code tells 1475 and 100",
            VOXELS,
            **window(4500, 5, FRAME, 1 / TR),
        ),
        ModelRow(
            "receptive_fields",
            "frames to voxels, for where each voxel looks: convolutions and a non-negative readout of low rank",
            "after Seeliger et al. 2021, neural information flow (widths of this project)",
            "grey frames up to the volume, the newest last, (1, n_frames, height, width)",
            args={"regions": REGIONS, "clip": CLIP_OF_FIELDS},
            inputs=(CLIP_OF_FIELDS,),
            output=(4500,),
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
