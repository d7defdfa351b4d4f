"""Image towers of CLIP models, built by open_clip: the embedding before it is normalised."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from calibration.features.images import Preparation
from calibration.features.row import FeatureRow, Network
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import nn

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PREFIX = "visual."
TEXT = ("text.", "transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection")
BESIDE = (*TEXT, "logit_scale", "logit_bias", "attn_mask")
SMALLEST_TEXT = {"context_length": 1, "vocab_size": 1, "width": 64, "heads": 1, "layers": 1}
FILE = "open_clip_model.safetensors"


def image_tower(architecture: str, quick_gelu: bool = False) -> nn.Module:
    """The image side of an open_clip architecture, with weights at random: ``(n, 3, 224, 224)`` to ``(n, dim)``.

    Parameters
    ----------
    quick_gelu
        OpenAI's own weights were trained with another approximation of GELU than all later ones.
    """
    clip = require("open_clip", "features", "a CLIP encoder")
    config = clip.get_model_config(architecture)
    whole = clip.CustomTextCLIP if config.get("custom_text") else clip.CLIP
    return whole(  # the text side is not needed, and is made as small as it can be
        config["embed_dim"], config["vision_cfg"], clip.CLIPTextCfg(**SMALLEST_TEXT), quick_gelu=quick_gelu
    ).visual


def tower_row(
    name: str, architecture: str, dim: int, hub: str, licence: str, source: str, *, quick_gelu: bool = False
) -> FeatureRow:
    """Row of an open_clip model whose weights lie in the Hugging Face repository `hub`."""
    tower = Network(
        partial(image_tower, architecture, quick_gelu),
        Preparation(224, MEAN, STD, "bicubic", shorter=224),
        FILE,
        f"https://huggingface.co/{hub}",
        prefix=PREFIX,
        beside=BESIDE,
    )
    return FeatureRow(name, dim, f"image embedding of {architecture}, not normalised", source, licence, tower)


LAION = "MIT (LAION)"
EVA = "Sun et al. 2023, arXiv 2303.15389 (EVA-CLIP)"
OPEN_CLIP = "Cherti et al. 2023, arXiv 2212.07143 (OpenCLIP)"

OPEN_CLIP_ROWS = (
    tower_row("eva02_e_14", "EVA02-E-14", 1024, "timm/eva02_enormous_patch14_clip_224.laion2b_s4b_b115k", "MIT", EVA),
    tower_row(
        "eva02_e_14_plus",
        "EVA02-E-14-plus",
        1024,
        "timm/eva02_enormous_patch14_plus_clip_224.laion2b_s9b_b144k",
        "MIT",
        EVA,
    ),
    tower_row("clip_vit_b_16", "ViT-B-16", 512, "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", LAION, OPEN_CLIP),
    tower_row(
        "clip_vit_l_14",
        "ViT-L-14",
        768,
        "timm/vit_large_patch14_clip_224.openai",
        "MIT (OpenAI)",
        "Radford et al. 2021, arXiv 2103.00020 (CLIP)",
        quick_gelu=True,
    ),
    tower_row("clip_vit_h_14", "ViT-H-14", 1024, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", LAION, OPEN_CLIP),
)
