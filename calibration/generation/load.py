"""Loading an image generator from folders that the user has: nothing is fetched, nothing is unpickled."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from calibration.generation.paint import Painter
from calibration.generation.painters import ADAPTER, ADAPTER_SOURCE, PAINTERS, PainterRow
from streamkit.errors import BadInput, ConfigError, did_you_mean, require

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE")
PROJECTION = "image_proj.proj.weight"
INDEX = "model_index.json"


def open_painter(
    folder: Path | str,
    adapter: Path | str,
    name: str = "sdxl",
    *,
    accept_licence: bool = False,
    device: str = "cpu",
    precision: Literal["float32", "float16", "bfloat16"] = "float32",
) -> Painter:
    """Load a generator and its adapter from the user's own files, offline.

    Parameters
    ----------
    folder
        Of the generator as its authors publish it, with ``model_index.json`` and safetensors in its folders.
    adapter
        ``ip-adapter_sdxl_vit-h.safetensors``.
    name
        A name of `PAINTERS`.
    accept_licence
        That you have read the generator's licence and keep to it.

    Raises
    ------
    ConfigError
        For an unknown name, or where the licence is not accepted; names it.
    BadInput
        When files are missing, or are those of something else.
    """
    row = _row(name, accept_licence)
    folder, adapter = Path(folder), Path(adapter)
    _check_files(row, folder, adapter)
    dim = _adapter_dim(adapter)
    torch = require("torch", "generate", "painting images")
    require("transformers", "generate", "painting images")
    diffusers = require("diffusers", "generate", "painting images")
    dtype = getattr(torch, precision)
    parts = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}
    try:
        with offline():
            pipeline = diffusers.StableDiffusionXLPipeline.from_pretrained(
                str(folder),
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                add_watermarker=False,
                **_variant(folder / "unet"),
                **{part: open_whole(kind, folder / part, dtype=dtype) for part, kind in parts.items()},
            )
            pipeline.load_ip_adapter(
                str(adapter.parent),
                subfolder="",
                weight_name=adapter.name,
                image_encoder_folder=None,
                local_files_only=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadInput(
            f"{row.name} cannot be loaded from {folder} with {adapter.name}: {str(error).strip().splitlines()[0]}. "
            f"Expected the whole folder of {row.source} and the adapter of {ADAPTER_SOURCE}"
        ) from error
    pipeline.set_ip_adapter_scale(1.0)
    pipeline.set_progress_bar_config(disable=True)
    return Painter(row, dim, pipeline.to(device))


def open_whole(kind: Any, folder: Path, **options: Any) -> Any:
    """A network of diffusers from its folder, with all of its weights.

    Raises
    ------
    ValueError
        When weights are missing, which diffusers would draw at random.
    """
    network, found = kind.from_pretrained(
        str(folder),
        local_files_only=True,
        use_safetensors=True,
        low_cpu_mem_usage=find_spec("accelerate") is not None,  # without it diffusers recommends it at length
        output_loading_info=True,
        **_variant(folder),
        **options,
    )
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{folder.name} lacks {len(missing)} weights, {missing[0]!r} among them")
    return network


def _row(name: str, accept_licence: bool) -> PainterRow:
    if name not in PAINTERS:
        raise ConfigError(f"no image generator {name!r}.{did_you_mean(name, PAINTERS)} There are {', '.join(PAINTERS)}")
    row = PAINTERS[name]
    if not accept_licence:
        raise ConfigError(
            f"{name} is under the {row.licence} ({row.source}): read it, and say accept_licence=True if you keep to it"
        )
    return row


def _check_files(row: PainterRow, folder: Path, adapter: Path) -> None:
    if not (folder / INDEX).is_file():
        raise BadInput(
            f"the image generator {row.name!r} needs the folder that its authors publish at {row.source} "
            f"({row.licence}), which streamkit neither has nor fetches; {folder} has no {INDEX}. "
            "Fetch it and give its path as `folder`"
        )
    if not adapter.is_file() or adapter.suffix != ".safetensors":
        raise BadInput(
            f"painting from features needs the adapter {ADAPTER} ({ADAPTER_SOURCE}), which streamkit neither has nor "
            f"fetches; {adapter} is no safetensors file. Fetch it and give its path as `adapter`"
        )


def _adapter_dim(adapter: Path) -> int:
    safetensors = require("safetensors", "generate", "painting images")
    try:
        with safetensors.safe_open(str(adapter), "np") as file:
            return int(file.get_slice(PROJECTION).get_shape()[1])
    except Exception as error:
        raise BadInput(
            f"{adapter} is not the adapter {ADAPTER} ({ADAPTER_SOURCE}): it has no {PROJECTION} ({error})"
        ) from error


def _variant(folder: Path) -> dict[str, str]:
    """The variant of the files, where only one in 16 bits is there."""
    halves = [file for file in folder.glob("*.safetensors") if ".fp16." in file.name]
    whole = [file for file in folder.glob("*.safetensors") if ".fp16." not in file.name]
    return {"variant": "fp16"} if halves and not whole else {}


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Within, the Hugging Face libraries are told not to ask the network for anything."""
    before = {name: os.environ.get(name) for name in OFFLINE}
    os.environ.update(dict.fromkeys(OFFLINE, "1"))
    constants = require("huggingface_hub.constants", "generate", "painting images")
    was = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = was
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
