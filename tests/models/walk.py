"""What leaves each layer of a network."""

from __future__ import annotations

from typing import Any

import torch

Step = tuple[str, str, tuple[int, ...]]


def walk(model: torch.nn.Module, *inputs: torch.Tensor) -> list[Step]:
    """Name, kind and shape without the batch of the output of every layer that has none inside, in order of use."""
    seen: list[Step] = []

    def note(name: str) -> Any:
        return lambda layer, _, output: seen.append((name, type(layer).__name__, tuple(output.shape[1:])))

    leaves = ((name, layer) for name, layer in model.named_modules() if not list(layer.children()))
    hooks = [layer.register_forward_hook(note(name)) for name, layer in leaves]
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()
    return seen
