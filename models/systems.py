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

MICE = ("sensorium", "v1_world")

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
        SystemRow(
            "spikes2video",
            "spikes2video",
            "Spikes to video, 140 sites x 4.5 s in bins of 100 ms: the whole clip at the trial's end",
            ("spikes2video", "spikes2video_inverse"),
            "140 sites",
            64,
            ("spikes2video", "spikes2video-small"),
            ("siegel2015", "dots_world"),
            ("spikes2video_mlp", "spikes2video_shallow"),
            (
                "main",
                "networks",
                "repeats",
                "masking",
                "regions",
                "encoder",
                "apart",
                "bands",
                "similarity",
                "layouts",
                "sites",
                "rates",
                "noise",
            ),
        ),
        SystemRow(
            "spikes2video-streaming",
            "spikes2video",
            "Spikes to video, 140 sites: a frame for every bin of 100 ms while the trial runs",
            ("spikes2video_streaming",),
            "140 sites",
            64,
            ("spikes2video-streaming", "spikes2video-streaming-small"),
            ("siegel2015", "dots_world"),
            experiments=("streaming",),
        ),
        SystemRow(
            "mouse-v1-gan",
            "mouse-v1",
            "GAN read in through most exciting images, 8,587 neurons to 36 x 64 pixels",
            ("v1_gan", "v1_discriminator", "v1_encoder"),
            "8587 neurons",
            16,
            ("mouse-v1-gan", "mouse-v1-gan-small"),
            MICE,
            experiments=("main", "merged", "channels", "inputs", "losses", "data", "neurons", "noise"),
        ),
        SystemRow(
            "mouse-v1-sdvae",
            "mouse-v1",
            "SD-VAE decoder: 8,587 neurons to the latent of Stable Diffusion's autoencoder",
            ("v1_latent",),
            "8587 neurons",
            256,
            ("mouse-v1-sdvae", "mouse-v1-sdvae-small"),
            MICE,
            experiments=("pretrained",),
            not_counted={
                "AutoencoderKL of Stable Diffusion": "frozen image autoencoder, about 84 million parameters "
                "(diffusers); its weights are read from files"
            },
        ),
        SystemRow(
            "mouse-v1-resnet",
            "mouse-v1",
            "ResNet50 decoder: 8,587 neurons to features of a classifier, and those to pictures",
            ("v1_feature_readin", "v1_feature_inverter"),
            "8587 neurons",
            64,
            ("mouse-v1-resnet", "mouse-v1-resnet-small"),
            MICE,
            ("v1_resnet",),
            ("pretrained",),
            {"ResNet50": "frozen classifier, 25.6 million parameters (torchvision); its weights are read from files"},
        ),
        SystemRow(
            "mouse-v1-cnn",
            "mouse-v1",
            "CNN, 8,587 neurons to 36 x 64 pixels",
            ("v1_cnn",),
            "8587 neurons",
            16,
            ("mouse-v1-cnn", "mouse-v1-cnn-small"),
            MICE,
            experiments=("main",),
        ),
        SystemRow(
            "mouse-v1-inversion",
            "mouse-v1",
            "Inverted encoder of 8,587 neurons, live within a budget of time",
            ("v1_encoder", "v1_inversion_step"),
            "8587 neurons",
            128,
            ("mouse-v1-inversion", "mouse-v1-inversion-small"),
            MICE,
            ("v1_encoder_linear",),
            ("encoders", "inversion"),
        ),
        SystemRow(
            "image2ecog",
            "image2ecog",
            "Image to ECoG: 224 x 224 pixels to 0.8 s of every channel at 250 Hz",
            ("image2ecog", "image2ecog_classifier"),
            "waves",
            32,
            ("image2ecog", "image2ecog-small"),
            ("liu2009", "ecog_world"),
            experiments=(
                "main",
                "models",
                "splits",
                "heads",
                "classifier",
                "subjects",
                "cortex",
                "channels",
                "frequencies",
                "noise",
            ),
        ),
        SystemRow(
            "brain2pix",
            "brain2pix",
            "Brain2Pix: frames of 96 x 96 from voxels of V1, V2 and V3 at five volumes",
            ("brain2pix", "brain2pix_discriminator", "receptive_fields"),
            "FixedRF",
            8,
            ("brain2pix", "brain2pix-small", "brain2pix-learned", "brain2pix-estimated-small"),
            ("brain2pix", "movie_world"),
            ("brain2pix_shen", "brain2pix_dense"),
            (
                "main",
                "baselines",
                "regions",
                "losses",
                "amount",
                "synthetic",
                "places",
                "orientation",
                "fields",
                "noise",
            ),
            {
                "VGG-19 conv4_2": "features of the loss (torchvision), from a weight file of yours; without one "
                "oriented filters take its place"
            },
        ),
    )
}
