"""Weight files of the published architectures, or small ones of the same classes, with weights at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

LARGE = 100_003
SMALL_TEXT = {"context_length": 8, "vocab_size": 50, "width": 64, "heads": 1, "layers": 1}
TOWERS = {
    "tiny-clip": {"embed_dim": 16, "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 56}},
    "tiny-eva": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 224,
            "timm_model_name": "eva02_tiny_patch14_224",
            "timm_pool": "token",
            "timm_proj": None,
        },
        "custom_text": True,
    },
}
"""Of the same classes as ViT-H-14 and EVA02-E-14."""


def pictures(n: int = 3, side: int = 64, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(5).random((n, channels, side, side), np.float32)


def made(build: Callable[..., nn.Module], **settings: Any) -> nn.Module:
    """A network without the time its own initialisation takes; its weights are drawn by `random_weights`."""
    with torch.device("meta"):
        network = build(**settings)
    return random_weights(network.to_empty(device="cpu"))


def random_weights(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights, and running means and variances, that no layer can be without; large ones repeat themselves."""
    source = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            value.zero_()
            continue
        block = torch.randn(min(value.numel(), LARGE), generator=source)
        drawn = block.repeat(-(-value.numel() // len(block)))[: value.numel()].reshape(value.shape)
        if value.ndim > 1:
            value.copy_(drawn * (2 / value[0].numel()) ** 0.5)
        else:
            value.copy_(drawn.abs() + 0.1 if name.endswith(("weight", "running_var")) else drawn / 10)
    return module.eval()


def saved(module: nn.Module, file: Path) -> Path:
    """Its state_dict, as safetensors or as PyTorch has it."""
    state = {name: value.contiguous() for name, value in module.state_dict().items()}
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    return file


@contextmanager
def towers(folder: Path) -> Iterator[None]:
    """Within, open_clip knows `TOWERS`."""
    import open_clip
    from open_clip import factory

    for name, config in TOWERS.items():
        (folder / f"{name}.json").write_text(json.dumps({**config, "text_cfg": SMALL_TEXT}))
    before = list(factory._MODEL_CONFIG_PATHS)
    open_clip.add_model_config(folder)
    try:
        yield
    finally:
        factory._MODEL_CONFIG_PATHS[:] = before
        for name in TOWERS:
            factory._MODEL_CONFIGS.pop(name, None)
