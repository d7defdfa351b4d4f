"""A trained prior in a folder: safetensors and JSON, nothing executable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from calibration.generation.prior import BUILDER, TrainedPrior
from calibration.generation.settings import PriorSettings
from calibration.network import Network
from calibration.training.history import History
from streamkit.errors import BadInput, require
from streamkit.inference.cache import write_whole

WEIGHTS, ABOUT = "prior.safetensors", "prior.json"


class About(BaseModel):
    """What stands beside the weights."""

    model_config = ConfigDict(extra="forbid")

    args: dict[str, int | tuple[int, ...]]
    scale: PositiveFloat
    settings: PriorSettings
    history: History
    space: str = ""


def save_prior(prior: TrainedPrior, folder: Path) -> Path:
    """Write ``prior.safetensors`` and ``prior.json`` into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: np.ascontiguousarray(value.cpu().numpy()) for name, value in prior.module.state_dict().items()}
    about = About(args=prior.args, scale=prior.scale, settings=prior.settings, history=prior.history, space=prior.space)
    write_whole(folder / WEIGHTS, save(state))
    write_whole(folder / ABOUT, about.model_dump_json(indent=1).encode())
    return folder


def load_prior(folder: Path) -> TrainedPrior:
    """Read what `save_prior` wrote.

    Raises
    ------
    BadInput
        When files are missing, damaged, or do not belong together.
    """
    torch = require("torch", "train", "the diffusion prior")
    try:
        about = About.model_validate_json((folder / ABOUT).read_bytes())
        state = {name: torch.from_numpy(value) for name, value in load_file(folder / WEIGHTS).items()}
        module = Network(BUILDER, dict(about.args)).build(0)
        module.load_state_dict(state)
    except (OSError, ValidationError, SafetensorError, RuntimeError) as error:
        raise BadInput(
            f"{folder} holds no prior that can be read ({str(error).splitlines()[0]}): expected {WEIGHTS} and {ABOUT} "
            "as training wrote them. Train it again"
        ) from error
    return TrainedPrior(module.eval(), dict(about.args), about.scale, about.settings, about.history, about.space)
