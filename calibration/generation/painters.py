"""The table of image generators: what each is, who publishes it under which licence, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass

ADAPTER = "ip-adapter_sdxl_vit-h.safetensors"
ADAPTER_SOURCE = "https://huggingface.co/h94/IP-Adapter, folder sdxl_models, Apache-2.0"
SPACE = "clip_vit_h_14"
"""Features that this adapter was trained on, by the name in `calibration.features.FEATURES`."""


@dataclass(frozen=True)
class PainterRow:
    """One image generator.

    Attributes
    ----------
    source, licence
        Where its authors publish it, and under what.
    steps, guidance
        As its authors run it; `guidance` 0 takes one run of the network per step instead of two.
    size
        Pixels of a side.
    """

    name: str
    source: str
    licence: str
    steps: int
    guidance: float
    size: int


PAINTERS: dict[str, PainterRow] = {
    row.name: row
    for row in (
        PainterRow(
            "sdxl",
            "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0",
            "CreativeML Open RAIL++-M, which restricts some uses",
            30,
            5.0,
            1024,
        ),
        PainterRow(
            "sdxl_turbo",
            "https://huggingface.co/stabilityai/sdxl-turbo",
            "Stability AI Community Licence, which restricts commercial use",
            4,
            0.0,
            512,
        ),
    )
}
