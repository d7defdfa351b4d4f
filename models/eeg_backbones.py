"""Four EEG networks of braindecode, with logits of any shape.

EEGNet (Lawhern et al. 2018), ShallowFBCSPNet and Deep4Net (Schirrmeister et al. 2017), EEGConformer (Song et al. 2023).
`args` go to braindecode's class of that name.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from typing import Any

from torch import nn


def _backbone(
    name: str, n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, args: dict[str, Any]
) -> nn.Module:
    """Build a braindecode network with ``prod(out_shape)`` outputs, reshaped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = importlib.import_module("braindecode.models")
    except ImportError as error:
        raise ImportError(
            f"{name} needs the package 'braindecode', which could not be imported ({error}). "
            "Install it with: pip install 'streamkit[train]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = getattr(library, name)(
            n_chans=n_chans, n_times=n_times, n_outputs=math.prod(out_shape), sfreq=sfreq, **args
        )
    return nn.Sequential(network, nn.Unflatten(1, tuple(out_shape)))


def build_eegnet(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """EEGNet: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    return _backbone("EEGNet", n_chans, n_times, out_shape, sfreq, args)


def build_shallow_fbcsp(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """ShallowFBCSPNet: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    args = {"final_conv_length": "auto"} | args
    return _backbone("ShallowFBCSPNet", n_chans, n_times, out_shape, sfreq, args)


def build_deep4(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """Deep4Net: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    args = {"final_conv_length": "auto"} | args
    return _backbone("Deep4Net", n_chans, n_times, out_shape, sfreq, args)


def build_eegconformer(n_chans: int, n_times: int, out_shape: Sequence[int], sfreq: float, **args: Any) -> nn.Module:
    """EEGConformer: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    return _backbone("EEGConformer", n_chans, n_times, out_shape, sfreq, args)
