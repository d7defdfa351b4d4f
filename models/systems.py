"""The table of systems: what of a paper runs here, made of which networks, by which recipes, on which data."""

from __future__ import annotations

from dataclasses import dataclass, field

PAPERS: dict[str, str] = {
    "brainae": "BrainAE: a shared embedding of images and of the brain activity they evoke",
    "spikes2video": "Macaque multi-unit activity to video",
    "image2ecog": "Human ECoG predicted from images",
    "mouse-v1": "Images from mouse V1 (EPFL report)",
    "brain2pix": "Brain2Pix: natural movies from fMRI",
}
"""What the five papers are about, by key."""


@dataclass(frozen=True)
class SystemRow:
    """One system of a paper, at one published size.

    Attributes
    ----------
    paper
        Key of `PAPERS`.
    networks
        Rows of `models.table.MODELS` that it is made of.
    size
        Which of their published sizes.
    batch
        Items per step of the published training.
    baselines
        Rows of `MODELS` that the paper holds it against.
    recipes
        Names of recipes, as published and small.
    datasets
        Names of data sets, the published one first.
    experiments
        What `reproduce` can repeat of the paper.
    not_counted
        Networks of others that it uses with their weights, which are not built here and so not counted: what each is.
    """

    name: str
    paper: str
    title: str
    networks: tuple[str, ...]
    size: str
    batch: int
    recipes: tuple[str, ...]
    datasets: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    not_counted: dict[str, str] = field(default_factory=dict)


BRAINAE = ("brainae_encoder", "brainae_decoder", "brainae_prior")
LINEAR = "brainae_linear_decoder"
BACKBONES = ("deep4_encoder", "shallow_fbcsp_encoder", "eegnet_encoder", "eegconformer_encoder")
FROZEN = {
    "EVA02-CLIP-E/14": "frozen image encoder of 1024 features, about 4.35 billion parameters (open_clip); its features "
    "are read from files",
    "SDXL with IP-Adapter": "frozen image generator, about 3.5 billion parameters (diffusers); its weights are read "
    "from files",
}
EXPERIMENTS = (
    "main",
    "ablation",
    "temperature",
    "decoders",
    "repeats",
    "temporal-masking",
    "regional-masking",
    "reconstruction",
    "consistency",
    "rsa",
    "generation",
    "spectra",
)

SYSTEMS: dict[str, SystemRow] = {
    row.name: row
    for row in (
        SystemRow(
            "brainae-eeg",
            "brainae",
            "BrainAE for EEG, 63 channels x 1 s at 250 Hz",
            BRAINAE,
            "EEG",
            800,
            ("brainae-eeg", "brainae-eeg-small"),
            ("things_eeg2", "world"),
            (LINEAR, *BACKBONES),
            (*EXPERIMENTS, "backbones", "noise"),
            FROZEN,
        ),
        SystemRow(
            "brainae-meg",
            "brainae",
            "BrainAE for MEG, 271 channels x 1 s at 200 Hz",
            BRAINAE,
            "MEG",
            600,
            ("brainae-meg", "brainae-meg-small"),
            ("things_meg", "world"),
            (LINEAR,),
            EXPERIMENTS,
            FROZEN,
        ),
        SystemRow(
            "brainae-mua",
            "brainae",
            "BrainAE for multi-unit activity, 1024 channels x 200 ms at 1 kHz",
            BRAINAE,
            "MUA",
            100,
            ("brainae-mua", "brainae-mua-small"),
            ("tvsd", "world"),
            (LINEAR,),
            EXPERIMENTS,
            FROZEN,
        ),
    )
}
