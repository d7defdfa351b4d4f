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
    """A network, and how it learns eight items by heart: `within` is what is left of the variance of its targets."""

    args: Args
    inputs: tuple[Shape, ...]
    output: Shape
    classes: bool = False
    steps: int = 60
    lr: float = 1e-2
    within: float = 0.3


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


DEEP4 = {"filter_time_length": 5, "pool_time_length": 2, "pool_time_stride": 2}
CASES = {
    "linear": of_windows(args={"n_bins": 16}),
    "tone_power": of_windows(args={"frequencies": [8.0, 10.0, 15.0], "features": "snr"}),
    "brainae_classifier": of_windows(args={"embedding": 32, "filters": 8}, steps=80),
    "v1_cnn": of_windows((6, 4), (1, 12, 10), {"channels": [16, 8, 8, 8, 8], "dropout": 0.0}, 150),
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
