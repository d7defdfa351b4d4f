"""Four EEG networks of braindecode, with logits of any shape, or as encoders with an embedding.

EEGNet (Lawhern et al. 2018), ShallowFBCSPNet and Deep4Net (Schirrmeister et al. 2017), EEGConformer (Song et al. 2023).
`args` go to braindecode's class of that name.

BrainAE compares them as brain encoders of 1024 numbers. Built so by braindecode 1.8 at 63 x 250 they have the sizes
its authors count: EEGNet 117,824, ShallowFBCSPNet 553,504, EEGConformer 376,832 and Deep4Net 47,071,874 parameters. The
last is an accident of that window: Deep4Net wants 441 samples, its kernels and pools shrink for fewer, and its last
layer then spans 229 positions and holds 46.9 million weights. `backbone_encoder` averages over those positions instead
(``pooled=True``, 377,474 parameters); with ``pooled=False`` the published count is met.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from models.brainae import numbers_of

BACKBONES = {
    "eegnet": "EEGNet",
    "shallow_fbcsp": "ShallowFBCSPNet",
    "deep4": "Deep4Net",
    "eegconformer": "EEGConformer",
}
"""braindecode's classes by our names."""

AS_LONG_AS_IT_TAKES = {"final_conv_length": "auto"}
DEFAULTS = {"ShallowFBCSPNet": AS_LONG_AS_IT_TAKES, "Deep4Net": AS_LONG_AS_IT_TAKES}
CONVOLUTIONAL = ("EEGNet", "ShallowFBCSPNet", "Deep4Net")


class MeanReadout(nn.Module):
    """Mean over what is left of time, then linear."""

    def __init__(self, n_features: int, n_outputs: int):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_features, positions, 1)`` to ``(B, n_outputs)``."""
        return self.linear(x.flatten(2).mean(2))


def backbone_encoder(
    name: str,
    n_chans: int,
    n_times: int,
    embedding: int | None = None,
    sfreq: float = 250.0,
    pooled: bool | None = None,
    out_shape: Sequence[int] | None = None,
    **args: Any,
) -> nn.Module:
    """A braindecode network as brain encoder: ``(B, n_chans, n_times)`` to ``(B, embedding)``.

    Parameters
    ----------
    name
        One of `BACKBONES`.
    embedding
        1024 unless this, or `out_shape` of a recipe, says otherwise.
    pooled
        Average over positions before the last layer; by default in Deep4Net only, see above.
    args
        Further arguments of braindecode's class.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} was given, expected one of {', '.join(BACKBONES)}")
    kind, numbers = BACKBONES[name], numbers_of(embedding, out_shape)
    pooled = kind == "Deep4Net" if pooled is None else pooled
    if not pooled:
        return _network(kind, n_chans, n_times, numbers, sfreq, args)
    if kind not in CONVOLUTIONAL:
        raise ValueError(f"backbone {name!r} has no positions to average over: leave pooled out")
    network: Any = _network(kind, n_chans, n_times, 1, sfreq, args)
    network.final_layer = MeanReadout(network.final_layer.conv_classifier.in_channels, numbers)
    return network


def _network(name: str, n_chans: int, n_times: int, n_outputs: int, sfreq: float, args: dict[str, Any]) -> nn.Module:
    """Build a braindecode network: ``(B, n_chans, n_times)`` to ``(B, n_outputs)``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = importlib.import_module("braindecode.models")
    except ImportError as error:
        raise ImportError(
            f"{name} needs the package 'braindecode', which could not be imported ({error}). "
            "Install it with: pip install 'streamkit[train]'"
        ) from error
    args = DEFAULTS.get(name, {}) | args
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = getattr(library, name)(
            n_chans=n_chans, n_times=n_times, n_outputs=n_outputs, sfreq=sfreq, **args
        )
    return network


def _classifier(
    name: str, n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, args: dict[str, Any]
) -> nn.Module:
    """Build a braindecode network with ``prod(out_shape)`` outputs, reshaped."""
    network = _network(name, n_chans, n_times, math.prod(out_shape), sfreq, args)
    return nn.Sequential(network, nn.Unflatten(1, tuple(out_shape)))


def build_eegnet(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """EEGNet: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    return _classifier("EEGNet", n_chans, n_times, out_shape, sfreq, args)


def build_shallow_fbcsp(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """ShallowFBCSPNet: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    return _classifier("ShallowFBCSPNet", n_chans, n_times, out_shape, sfreq, args)


def build_deep4(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """Deep4Net: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    return _classifier("Deep4Net", n_chans, n_times, out_shape, sfreq, args)


def build_eegconformer(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """EEGConformer: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    return _classifier("EEGConformer", n_chans, n_times, out_shape, sfreq, args)
