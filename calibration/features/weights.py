"""Weight files that the user has: read without running anything in them, and fitted to a network name by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamkit.errors import BadInput, require

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPED = ("state_dict", "model")
"""Names under which a training script keeps the weights beside other things."""

WRAPPER = "module."
"""What data-parallel training puts before every name."""

COUNTERS = "num_batches_tracked"
"""Ends the names that files of older PyTorch lack, and nothing needs."""

SHOWN = 3
PICKLED = (".pt", ".pth", ".tar", ".bin")


def digest(file: Path) -> str:
    """sha256 (hex) of a file; computed once as long as the file stays the same.

    Raises
    ------
    BadInput
        When it cannot be read.
    """
    try:
        state = file.stat()
        return _digest(str(file), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise BadInput(f"the weights {file} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=64)
def _digest(file: str, size: int, changed: int) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_state(file: Path) -> dict[str, Tensor]:
    """Tensors of a weight file by name.

    Parameters
    ----------
    file
        ``.safetensors``, or a ``.pt``, ``.pth``, ``.bin`` or ``.tar`` of PyTorch's, of which tensors and plain
        containers are read: whatever else its pickle would build or call is refused, not run.

    Raises
    ------
    BadInput
        When it is neither, is damaged, or holds something that is no tensor.
    """
    torch = require("torch", "features", "reading weights")
    try:
        if file.suffix == ".safetensors":
            found = require("safetensors.torch", "features", "reading weights").load_file(str(file))
        elif file.suffix in PICKLED:
            found = torch.load(file, map_location="cpu", weights_only=True)
        else:
            raise BadInput(f"the weights {file} are of an unknown kind: expected .safetensors, {', '.join(PICKLED)}")
    except BadInput:
        raise
    except Exception as error:  # each of the two libraries has several of its own for a damaged file
        raise BadInput(
            f"the weights {file} cannot be read ({_first_line(error)}). Expected safetensors, or a PyTorch file of "
            "nothing but tensors: TorchScript archives and pickled modules are not run. Fetch the file again, or save "
            "its state_dict as safetensors"
        ) from error
    return _unwrapped(found, file, torch.Tensor)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:160]


def _unwrapped(found: Any, file: Path, tensor: type) -> dict[str, Tensor]:
    for key in WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, tensor) for value in found.values()):
        raise BadInput(f"the weights {file} hold no table of tensors: expected a state_dict, as its authors publish it")
    names = [str(name) for name in found]
    cut = len(WRAPPER) if all(name.startswith(WRAPPER) for name in names) else 0
    return {name[cut:]: value for name, value in zip(names, found.values(), strict=True)}


def fill(module: nn.Module, state: Mapping[str, Tensor], prefix: str, beside: tuple[str, ...], whose: str) -> None:
    """Put weights into a module: all of its own, each of the right shape.

    Parameters
    ----------
    prefix
        What the file puts before the module's own names.
    beside
        Beginnings of names in the file that belong to parts which are not used here.
    whose
        File and encoder, for messages.

    Raises
    ------
    BadInput
        When a weight is missing, has another shape, or belongs to nothing that is known.
    """
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in own and not name.endswith(COUNTERS)]
    strange = [name for name in own if name not in wanted and not (prefix + name).startswith(beside)]
    strange += [name for name in state if not name.startswith((prefix, *beside))]
    misshapen = [
        f"{name} {tuple(own[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in own and own[name].shape != value.shape
    ]
    for names, what in ((missing, "lack"), (strange, "hold, beside what is known,"), (misshapen, "hold")):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise BadInput(f"{whose} {what} {', '.join(names[:SHOWN])}{more}: they are those of another network")
    module.load_state_dict({name: own.get(name, value) for name, value in wanted.items()})
