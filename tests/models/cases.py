"""Every model at a size small enough for every test."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch

from models.eeg_backbones import BACKBONES
from models.table import MODELS

SFREQ = 128.0
Shape = tuple[int, ...]
Args = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A network, and how it learns eight items by heart: `within` is what is left of the variance of its targets.

    Of `plain` images and clips every item is of one colour; `positive` targets are those of a rate. What only computes
    with weights that others learnt does not learn (`learns`).
    """

    args: Args
    inputs: tuple[Shape, ...]
    output: Shape
    classes: bool = False
    steps: int = 60
    lr: float = 1e-2
    within: float = 0.3
    plain: bool = False
    positive: bool = False
    learns: bool = True


def of_windows(
    shape: tuple[int, int] = (4, 64),
    out_shape: Shape = (3,),
    args: Args | None = None,
    steps: int = 60,
    lr: float = 1e-2,
) -> Case:
    n_chans, n_times = shape
    every = {"n_chans": n_chans, "n_times": n_times, "out_shape": list(out_shape), "sfreq": SFREQ, **(args or {})}
    return Case(every, (shape,), out_shape, classes=len(out_shape) == 1, steps=steps, lr=lr)


def encoder(shape: tuple[int, int] = (4, 128), embedding: int = 16, args: Args | None = None, **how: Any) -> Case:
    n_chans, n_times = shape
    every = {"n_chans": n_chans, "n_times": n_times, "embedding": embedding, **(args or {})}
    return Case(every, (shape,), (embedding,), **how)


def decoder(shape: tuple[int, int] = (4, 64), embedding: int = 32, args: Args | None = None, **how: Any) -> Case:
    n_chans, n_times = shape
    every = {"n_chans": n_chans, "n_times": n_times, "embedding": embedding, **(args or {})}
    return Case(every, ((embedding,),), shape, **how)


VIDEO = (3, 9, 8, 8)
U_NET = {"hidden": 16, "base": 4, "kernels": [3, 3, 3, 3], "pools": [[3, 2, 2], [3, 2, 2], [1, 2, 2], [1, 1, 1]]}


def to_video(args: Args, out_shape: Shape = VIDEO) -> Case:
    every = {"n_chans": 6, "n_times": 9, "out_shape": list(out_shape), "sfreq": 10.0, **args}
    return Case(every, ((6, 9),), out_shape, steps=80, within=0.1, plain=True)


GREY = (1, 12, 14)
ENCODER = {"image": list(GREY), "channels": 8, "kernel": 3, "hidden_kernel": 3, "layers": 2}
PAINTER = {
    "readin": 16,
    "context": [4, 8],
    "channels": [16, 8, 8],
    "kernels": [5, 3, 3],
    "readin_dropout": 0.0,
    "dropout": 0.0,
}
FEATURES = {"readin": 16, "widths": [16, 8], "dropout": 0.0}


def of_voxels(args: Args) -> Case:
    every = {"n_chans": 14, "n_times": 5, "out_shape": [3, 16, 16], "sfreq": 1.4, **args}
    if "hidden" not in args:
        every["widths"] = [8, 16, 16]
    return Case(every, ((14, 5),), (3, 16, 16), steps=120, within=0.1, plain=True)


PIXELS = [0, 17, 17, 100, 255, -1, 30, 31, 8, 8, 8, 200, 201, 202]
DEEP4 = {"filter_time_length": 5, "pool_time_length": 2, "pool_time_stride": 2}
CASES = {
    "linear": of_windows(args={"n_bins": 16}),
    "tone_power": of_windows(args={"frequencies": [8.0, 10.0, 15.0], "features": "snr"}),
    "brainae_classifier": of_windows(args={"embedding": 32, "filters": 8}, steps=80),
    "v1_cnn": of_windows((6, 4), (1, 12, 10), {"channels": [16, 8, 8, 8, 8], "dropout": 0.0}, 150),
    "v1_encoder": Case({"n_chans": 6, **ENCODER}, (GREY,), (6,), steps=150, positive=True),
    "v1_encoder_linear": Case({"n_chans": 6, "pool": 2, **ENCODER}, (GREY,), (6,), steps=80, positive=True),
    "v1_inversion_step": Case(
        {"n_chans": 6, "out_shape": list(GREY), "lr": 2.0, **{k: v for k, v in ENCODER.items() if k != "image"}},
        (GREY, (6, 1)),
        GREY,
        learns=False,
    ),
    "v1_gan": of_windows((6, 1), GREY, {**PAINTER, "chunk": 4}, 150),
    "v1_discriminator": Case(
        {"image": list(GREY), "heads": 3, "channels": [8, 8], "kernels": [5, 3], "dropout": 0.0}, (GREY,), (3,), True
    ),
    "v1_latent": of_windows((6, 1), (4, 3, 3), {"hidden": [32, 16], "dropout": 0.0}, 100),
    "v1_feature_inverter": Case(
        {"features": [6, 3, 3], "widths": [12, 8], "refined": [[8, 3], [4, 1]]}, ((6, 3, 3),), (1, 12, 12), steps=150
    ),
    "v1_feature_readin": of_windows((6, 1), (8, 3, 3), FEATURES, 150),
    "v1_resnet": of_windows(
        (6, 1),
        (1, 12, 12),
        {
            "features": [8, 3, 3],
            "readin": 8,
            "readin_widths": [8, 8],
            "dropout": 0.0,
            "widths": [16, 8],
            "refined": [[8, 3], [4, 1]],
        },
        200,
    ),
    "eegnet": of_windows((4, 128), steps=80),
    "shallow_fbcsp": of_windows((4, 128), steps=60),
    "deep4": of_windows((4, 256), args=DEEP4, steps=60),
    "eegconformer": of_windows((4, 128), args={"num_layers": 1}, steps=60, lr=2e-3),
    "brainae_encoder": encoder((4, 64), 32, {"filters": 8, "dropout": 0.0}, within=0.01),
    "brainae_decoder": decoder(args={"filters": 16, "kernel": 12}, steps=150, within=0.05),
    "brainae_linear_decoder": decoder(within=0.01),
    "brainae_prior": Case(
        {"embedding": 32, "condition": 24, "widths": [64, 32, 16], "time": 16}, ((32,), (), (24,)), (32,), within=0.01
    ),
    "spikes2video": to_video(U_NET),
    "spikes2video_mlp": to_video({"hidden": [32, 32]}),
    "spikes2video_shallow": to_video({"channels": [16, 8, 8, 8]}),
    "spikes2video_streaming": to_video(U_NET, (3, 8, 8)),
    "spikes2video_inverse": Case(
        {"n_chans": 6, "n_times": 9, "clip": list(VIDEO), **U_NET}, (VIDEO,), (6, 9), steps=250, within=0.2
    ),
    "image2ecog": Case(
        {"n_chans": 4, "n_times": 20, "size": 16, "conv": [8, 16], "pool": 2, "hidden": [32, 16], "dropout": 0.0},
        ((3, 16, 16),),
        (4, 20),
        steps=150,
        within=0.05,
    ),
    "image2ecog_classifier": Case(
        {"n_classes": 3, "size": 16, "conv": [8, 16], "pool": 2}, ((3, 16, 16),), (3,), classes=True
    ),
    "brain2pix": of_voxels({"regions": [8, 6], "pixel": PIXELS}),
    "brain2pix_discriminator": Case(
        {"n_in": 4, "widths": [8, 16, 16]}, ((4, 16, 16), (3, 16, 16)), (1, 2, 2), steps=120
    ),
    "brain2pix_shen": of_voxels({"rank": 8, "n_images": 4}),
    "brain2pix_dense": of_voxels({"hidden": [24, 12, 24]}),
    "receptive_fields": Case(
        {"regions": [3, 3], "clip": [1, 4, 16, 16], "channels": [4, 4], "pools": [2, 2]},
        ((1, 4, 16, 16),),
        (6,),
        steps=150,
        within=0.1,
    ),
    "eegnet_encoder": encoder(args={"name": "eegnet", "sfreq": SFREQ, "drop_prob": 0.0}, steps=80, within=0.01),
    "shallow_fbcsp_encoder": encoder(args={"name": "shallow_fbcsp", "sfreq": SFREQ, "drop_prob": 0.0}, within=0.01),
    "deep4_encoder": encoder(
        (4, 256), args={"name": "deep4", "sfreq": SFREQ, "drop_prob": 0.0, **DEEP4}, steps=30, within=0.01
    ),
    "eegconformer_encoder": encoder(
        args={"name": "eegconformer", "sfreq": SFREQ, "num_layers": 1, "drop_prob": 0.0, "att_drop_prob": 0.0},
        steps=120,
        lr=5e-3,
        within=0.3,  # its last layers drop half and a third, whatever it is told
    ),
}
OF_BRAINDECODE = frozenset(name for name in CASES if name.partition("_encoder")[0] in BACKBONES)


def registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="streamkit.models") if point.value.startswith("models.")}


def build(name: str, args: Args | None = None) -> Any:
    torch.manual_seed(1)
    return registered()[MODELS[name].builder].load()(**(CASES[name].args if args is None else args))
