"""Every model at a size small enough for every test."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch

SFREQ = 128.0


@dataclass(frozen=True)
class Case:
    shape: tuple[int, int] = (4, 64)
    out_shape: tuple[int, ...] = (3,)
    args: dict[str, Any] = field(default_factory=dict)
    steps: int = 60
    lr: float = 1e-2

    @property
    def arguments(self) -> dict[str, Any]:
        n_chans, n_times = self.shape
        return {"n_chans": n_chans, "n_times": n_times, "out_shape": list(self.out_shape), "sfreq": SFREQ, **self.args}


CASES = {
    "linear": Case(args={"n_bins": 16}),
    "tone_power": Case(args={"frequencies": [8.0, 10.0, 15.0], "features": "snr"}),
    "brainae_classifier": Case(args={"embedding": 32, "filters": 8}, steps=80),
    "v1_cnn": Case((6, 4), (1, 12, 10), {"channels": [16, 8, 8, 8, 8], "dropout": 0.0}, 150),
    "eegnet": Case((4, 128), steps=80),
    "shallow_fbcsp": Case((4, 128), steps=60),
    "deep4": Case((4, 256), args={"filter_time_length": 5, "pool_time_length": 2, "pool_time_stride": 2}, steps=60),
    "eegconformer": Case((4, 128), args={"num_layers": 1}, steps=60, lr=2e-3),
}
OF_BRAINDECODE = frozenset({"eegnet", "shallow_fbcsp", "deep4", "eegconformer"})


def registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="streamkit.models") if point.value.startswith("models.")}


def build(name: str, arguments: dict[str, Any] | None = None) -> Any:
    torch.manual_seed(1)
    return registered()[name].load()(**(arguments or CASES[name].arguments))
