"""Start an image decoder where ridge regression ends, so that training refines a picture instead of finding one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.closed_form import ridge_raw
from streamkit.errors import ConfigError, require

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.floating]
LEAST = 1e-12
"""Spread below which a regression says nothing."""


def warm_start(module: nn.Module, X: Array, y: Array, *, levels: bool = False) -> None:
    """Set the linear read-in of an image decoder to a ridge regression onto small copies of the images.

    The first maps of the latent get the image's channels, the next ones their negatives (a rectifier follows), and any
    further maps keep their random weights.

    Parameters
    ----------
    module
        Has ``readin``, a sequence with one linear layer, one `torch.nn.Unflatten` to ``(maps, height, width)`` and, if
        any, one `torch.nn.BatchNorm1d`.
    X, y
        Training windows ``(n, n_chans, n_times)`` and images ``(n, C, H, W)``.
    levels
        The batch normalisation behind the linear layer gives every pixel of these maps its mean and spread back,
        compared with those of the whole map. Without, all pixels vary alike: the convolutions do not see where the
        regression knows little, nor what all images have in common.

    Raises
    ------
    ConfigError
        When the module has no such read-in.
    """
    torch = require("torch", "train", "calibration")
    linear, latent, norm = _readin(module, torch)
    small = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(y)), latent[1:]).numpy()
    maps = np.concatenate([small, -small], axis=1)[:, : latent[0]]
    flat = X.reshape(len(X), -1).astype(np.float64)
    weight, bias = ridge_raw(flat, maps.reshape(len(maps), -1))
    n_rows = len(weight)  # maps come first in the flattened latent
    with torch.no_grad():
        linear.weight[:n_rows] = torch.from_numpy(weight.astype(np.float32))
        linear.bias[:n_rows] = torch.from_numpy(bias.astype(np.float32))
        if levels and norm is not None:
            pixels = (flat @ weight.T + bias).reshape(len(flat), -1, latent[1] * latent[2])
            said = (pixels - pixels.mean((0, 2), keepdims=True)).reshape(len(flat), n_rows)
            whole = max(float(np.sqrt((said**2).mean())), LEAST)
            norm.weight[:n_rows] = torch.from_numpy((said.std(0) / whole).astype(np.float32))
            norm.bias[:n_rows] = torch.from_numpy((said.mean(0) / whole).astype(np.float32))


def _readin(module: nn.Module, torch: Any) -> tuple[Any, tuple[int, ...], Any]:
    layers = list(getattr(module, "readin", None) or ())
    linear = next((layer for layer in layers if isinstance(layer, torch.nn.Linear)), None)
    unflatten = next((layer for layer in layers if isinstance(layer, torch.nn.Unflatten)), None)
    norm = next((layer for layer in layers if isinstance(layer, torch.nn.BatchNorm1d)), None)
    if linear is None or unflatten is None:
        raise ConfigError(
            f"train.warm_start fills the linear read-in of an image decoder, and {type(module).__name__} has none: "
            "use model 'v1_cnn', or take train.warm_start out"
        )
    return linear, tuple(unflatten.unflattened_size), norm
