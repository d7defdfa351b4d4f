"""The tables of a recipe, key by key; docs/calibration.md explains each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from calibration.training.settings import LoopSettings
from streamkit.preprocess import PreprocessConfig, SideStream


class Section(BaseModel):
    """A table of the recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def but(self, **changes: object) -> Self:
        """The same with some keys changed, checked."""
        return type(self).model_validate({**self.model_dump(), **changes})


class DataSection(Section):
    """Which recordings.

    Parameters
    ----------
    dataset
        A name from `calibration.datasets.DATASETS`.
    path
        Where it lies; empty when ``--data`` gives it or the dataset needs none.
    options
        Passed to the dataset's reader.
    """

    dataset: str
    path: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    def altered(self, values: Mapping[str, object]) -> dict[str, Any]:
        """The options, with further values of a simulated world by dotted key, e.g. ``{"noise.signal": 0.5}``."""
        return {**self.options, "set": {**self.options.get("set", {}), **values}} if values else self.options


class StreamSection(Section):
    """Which signal: its `name` (the first by default) and `ch_names` (all by default)."""

    name: str = ""
    ch_names: tuple[str, ...] = ()


class AlsoSection(Section):
    """A further signal whose values stand beside those of ``stream``; an array of tables, ``[[also]]``.

    Parameters
    ----------
    name, ch_names
        As for ``stream``; the name is required.
    preprocess
        What is done to it at its own rate, as for ``stream``.
    delay, hold, optional
        See `streamkit.preprocess.SideStream`.
    """

    name: str = Field(min_length=1)
    ch_names: tuple[str, ...] = ()
    preprocess: PreprocessConfig = PreprocessConfig()
    delay: float = Field(SideStream.model_fields["delay"].default, ge=0)
    hold: float | None = Field(None, gt=0)
    optional: bool = False


class TargetSection(Section):
    """What to decode.

    Parameters
    ----------
    kind
        ``"class"`` of the event, ``"signal"`` (a continuous stream at the window's last stamp), ``"image"`` (the
        stimulus of the event's label), ``"embedding"`` (features of that stimulus: what was seen is found among
        pictures, and what the brain does is predicted from them), ``"response"`` (what the brain does, predicted from
        the pixels of that stimulus) or ``"video"`` (the clip whose sheet is that stimulus; with hopping windows the
        frame on the screen during the newest sample).
    classes
        Marker label (fnmatch pattern) → class name; the order of first appearance is the order of the outputs.
    stream, ch_names
        Of the target signal; all its channels by default.
    smooth
        Seconds of causal moving average over the target signal.
    size, width, grey
        Height of the images in pixels, their width (0: they are square), and whether they have one channel or three.
    features, weights
        Name of the image encoder (`calibration.features.FEATURES`), and its weight file where it needs one.
    gallery
        Which pictures a bundle chooses among and predicts for: those of the events of the ``"held-out"`` groups, or
        of ``"all"`` groups.
    """

    kind: Literal["class", "signal", "image", "embedding", "response", "video"]
    classes: dict[str, str] = Field(default_factory=dict)
    stream: str = ""
    ch_names: tuple[str, ...] = ()
    smooth: float = Field(0.0, ge=0)
    size: int = Field(28, ge=4, le=512)
    width: int = Field(0, ge=0, le=512)
    grey: bool = True
    features: str = "gabor_pyramid"
    weights: str = ""
    gallery: Literal["held-out", "all"] = "held-out"

    @model_validator(mode="after")
    def _complete(self) -> TargetSection:
        if self.kind == "class" and len(set(self.classes.values())) < 2:
            raise ValueError("kind 'class' needs `classes` with at least two class names")
        if self.kind == "signal" and not self.stream:
            raise ValueError("kind 'signal' needs `stream`, the name of the target signal")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return tuple(dict.fromkeys(self.classes.values()))


class SplitSection(Section):
    """Who is trained on. A split is always between groups (runs, subjects, blocks of images).

    Parameters
    ----------
    held_out
        Groups (fnmatch patterns) the written bundle never sees; ``"last"`` is the last one; ``[]`` holds out none.
    validation
        Set aside for early stopping: a share of the training examples, or groups (fnmatch patterns).
    cv
        Cross-validation of the recipe over all groups, every fold fitted from nothing without its own groups.
    folds
        Of ``"k-fold"``.
    """

    held_out: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = ("last",)
    validation: Annotated[float, Field(ge=0, lt=0.9)] | tuple[str, ...] = 0.2
    cv: Literal["none", "leave-one-group-out", "k-fold"] = "none"
    folds: int = Field(5, ge=2)


class ModelSection(Section):
    """Which network: `name` is an entry point of ``streamkit.models``, `args` its own keyword arguments."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class TrainSection(LoopSettings):
    """How it is fitted: what follows, and for the gradient every key of `LoopSettings`.

    Parameters
    ----------
    method
        ``"closed-form"`` solves for the last linear layer; ``"gradient"`` trains all of it; ``"brainae"`` trains a
        brain encoder and a brain decoder around one embedding (`calibration.brainae`); ``"image2ecog"`` predicts
        responses from pictures (`calibration.image2ecog`); ``"spikes2video"`` shows clips (`calibration.spikes2video`);
        ``"mouse-v1"`` shows pictures (`calibration.mouse_v1`); ``"brain2pix"`` shows frames of films from voxels that
        look at places of them (`calibration.brain2pix`).
    estimator
        Of the closed form: ``"lda"`` (Ledoit-Wolf shrinkage), ``"logistic"`` or ``"ridge"``; by default ``"lda"``
        for classes and ``"ridge"`` for the rest.
    alpha
        Ridge penalty on standardised features, or the inverse of C for ``"logistic"``.
    reject
        Training windows holding an absolute value above this (unit of the processed signal) are left out.
    noise
        Standard deviation of noise added to the input, in standard deviations of each channel.
    correlation
        Weight of ``1 - r`` beside the mean squared error, for images.
    warm_start
        Start an image decoder's read-in from ridge regression (`calibration.warm_start`).
    """

    method: Literal["closed-form", "gradient", "brainae", "image2ecog", "spikes2video", "mouse-v1", "brain2pix"] = (
        "closed-form"
    )
    estimator: Literal["lda", "logistic", "ridge"] | None = None
    alpha: float = Field(100.0, gt=0)
    reject: float | None = Field(None, gt=0)
    noise: float = Field(0.0, ge=0)
    correlation: float = Field(0.5, ge=0)
    warm_start: bool = False


class EvaluateSection(Section):
    """How it is scored: the main metric, its draws, and the baselines beside it.

    Parameters
    ----------
    metric
        The one on the cover of the report; None for the usual one of the target.
    n_way
        Candidates in image identification.
    bootstrap, permutations
        Draws for the interval and for the p value.
    cca
        Class name → frequency in Hz: canonical correlation with sines, an untrained baseline for flicker.
    """

    metric: Literal["auc", "accuracy", "balanced_accuracy", "pearson", "identification", "top-1", "top-5"] | None = None
    n_way: int = Field(20, ge=2)
    bootstrap: int = Field(1000, ge=10)
    permutations: int = Field(1000, ge=10)
    cca: dict[str, float] = Field(default_factory=dict)
