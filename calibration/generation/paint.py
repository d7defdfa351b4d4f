"""Images from image features: SDXL with an IP-Adapter, through diffusers, from folders that the user has.

Nothing is fetched: files that are not there are an error. The prompt is empty and the adapter's scale is 1, as in ATM
(Li et al. 2024, arXiv 2403.07721), which BrainAE follows; IP-Adapter is Ye et al. 2023, arXiv 2308.06721. With the published
weights it has *not been run* here; its plumbing is tested on a pipeline of the same classes, small and random.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.generation.painters import ADAPTER, ADAPTER_SOURCE, PAINTERS, SPACE, PainterRow
from calibration.progress import Progress
from streamkit.errors import BadInput, ConfigError, did_you_mean, require

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE")
PROJECTION = "image_proj.proj.weight"
INDEX = "model_index.json"
Images = NDArray[np.float32]


@dataclass(frozen=True)
class Painter:
    """SDXL with its adapter, loaded; see `open_painter`.

    Attributes
    ----------
    row
        Which generator.
    dim
        Values per image that its adapter takes.
    """

    row: PainterRow
    dim: int
    pipeline: Any

    def paint(
        self,
        features: NDArray[np.floating[Any]],
        *,
        space: str = SPACE,
        each: int = 1,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        size: int | None = None,
        progress: Progress | None = None,
    ) -> Images:
        """Paint images.

        Parameters
        ----------
        features
            ``(n, dim)`` image features, such as a prior's.
        space
            Encoder whose features they are: the adapter was trained on those of CLIP ViT-H/14 and on no others.
        each
            Images per row, of different noise.
        seed
            Of the noise: image `k` of row `i` depends on the seed, `i` and `k` alone.
        steps, guidance, size
            Other than the generator's own.

        Returns
        -------
        ndarray
            ``(n, each, 3, size, size)`` float32 in [0, 1].

        Raises
        ------
        BadInput
            For features of another encoder or size.
        """
        self._check(features, space)
        steps, size = steps or self.row.steps, size or self.row.size
        guidance = self.row.guidance if guidance is None else guidance
        progress = progress or Progress()
        progress.begin("painting", len(features))
        made = np.empty((len(features), each, 3, size, size), np.float32)
        for at, row in enumerate(features):
            made[at] = self._paint(row, [seed_of(seed, at, k) for k in range(each)], steps, guidance, size)
            progress.advance()
        return made

    def _check(self, features: NDArray[np.floating[Any]], space: str) -> None:
        if space != SPACE:
            raise BadInput(
                f"features of {space!r} were given, the adapter paints from those of {SPACE!r} only: train the prior on "
                f"targets from calibration.features.extract(images, {SPACE!r}, …)"
            )
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise BadInput(f"the features have shape {features.shape}, this adapter takes (n, {self.dim})")

    def _paint(
        self, row: NDArray[np.floating[Any]], seeds: list[int], steps: int, guidance: float, size: int
    ) -> Images:
        torch = require("torch", "generate", "painting images")
        embedding = torch.from_numpy(np.ascontiguousarray(row, np.float32))[None, None].to(self.pipeline.dtype)
        if guidance > 1:  # diffusers then expects what stands for no image before it
            embedding = torch.cat([torch.zeros_like(embedding), embedding])
        painted = self.pipeline(
            prompt="",
            ip_adapter_image_embeds=[embedding.to(self.pipeline.device)],
            num_images_per_prompt=len(seeds),
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            height=size,
            width=size,
            output_type="np",
        ).images
        return np.clip(np.asarray(painted, np.float32), 0, 1).transpose(0, 3, 1, 2)


def seed_of(seed: int, at: int, k: int) -> int:
    """Seed of image `k` of row `at`."""
    return int(np.random.SeedSequence([seed, at, k]).generate_state(1)[0])


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
    try:
        with offline():
            pipeline = diffusers.StableDiffusionXLPipeline.from_pretrained(
                str(folder),
                torch_dtype=getattr(torch, precision),
                local_files_only=True,
                use_safetensors=True,
                add_watermarker=False,
                **_variant(folder),
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
            f"the image generator {row.name!r} needs the folder that its authors publish at {row.source} ({row.licence}), "
            f"which streamkit neither has nor fetches; {folder} has no {INDEX}. Fetch it and give its path as `folder`"
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
    halves = [file for file in (folder / "unet").glob("*.safetensors") if ".fp16." in file.name]
    whole = [file for file in (folder / "unet").glob("*.safetensors") if ".fp16." not in file.name]
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
