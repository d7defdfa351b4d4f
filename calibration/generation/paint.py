"""Images from image features: SDXL with an IP-Adapter, through diffusers.

The prompt is empty and the adapter's scale is 1, as in ATM (Li et al. 2024, arXiv 2403.07721), which BrainAE follows;
IP-Adapter is Ye et al. 2023, arXiv 2308.06721. With the published weights it has *not been run* here; its plumbing is
tested on a pipeline of the same classes, small and with weights at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.generation.painters import SPACE, PainterRow
from calibration.progress import Progress
from streamkit.errors import BadInput, require

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Painter:
    """SDXL with its adapter, loaded; see `calibration.generation.load.open_painter`.

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
        space: str,
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
            Encoder whose features they are, a prior's `space`: the adapter was trained on those of CLIP ViT-H/14 alone,
            and others of the same size would paint nonsense.
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
                f"features of {space!r} were given, the adapter paints from those of {SPACE!r} only: train the prior "
                f"on targets from calibration.features.extract(images, {SPACE!r}, …)"
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
