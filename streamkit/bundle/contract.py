"""What a decoder promises, how well it did, and where it came from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamkit import __version__
from streamkit.encoding import EncodingSpec
from streamkit.inference import AnyRunnerConfig, RunnerConfig
from streamkit.preprocess import PreprocessConfig, Preprocessor, SideStream, WindowConfig, aligned_spec
from streamkit.types import OutputSpec, StreamSpec


class Part(BaseModel):
    """Base of what a bundle says: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contract(Part):
    """What a stream must be, what is done to it, and what the answer means.

    Parameters
    ----------
    stream
        Channels, rate and unit the decoder was calibrated on; name, source_id and hostname stay empty.
    preprocess, window, output, runner
        As their own pages say.
    also
        Further streams, whose values stand beside every processed sample of `stream`.
    encoding
        What the brain should do at known stimuli; None where the bundle only decodes.
    gallery
        Name of the tensor uint8 ``(n_labels, 1 or 3, height, width)`` that holds a picture of each of the output's
        labels, for people to look at; None where there is none.
    """

    stream: StreamSpec
    preprocess: PreprocessConfig = PreprocessConfig()
    window: WindowConfig
    output: OutputSpec
    runner: AnyRunnerConfig = RunnerConfig()
    also: tuple[SideStream, ...] = ()
    encoding: EncodingSpec | None = None
    gallery: str | None = None

    @property
    def processed(self) -> StreamSpec:
        """The stream that comes out of the preprocessing: channels, rate and unit of what windows are cut from.

        Side streams' channels stand behind those of `stream`.

        Raises
        ------
        ConfigError
            When a stage does not fit the stream.
        """
        return aligned_spec(Preprocessor(self.stream, self.preprocess).out, self.also)

    @model_validator(mode="after")
    def _fits_together(self) -> Contract:
        labels, shape = self.output.labels, self.output.shape
        if self.output.kind == "image" and len(shape) != 3:
            raise ValueError(f"output: an image of shape {shape}, expected (channels, height, width)")
        if self.output.kind != "image" and shape != (len(labels),):
            raise ValueError(f"output: {len(labels)} labels for shape {shape}, expected one label per output")
        strangers = sorted(set(self.output.classes.values()) - set(labels))
        if strangers and self.output.kind != "image":
            raise ValueError(f"output: classes name {strangers}, which are not among the labels {labels}")
        if self.gallery is not None and self.output.kind != "probabilities":
            kind = self.output.kind
            raise ValueError(f"gallery: a picture per label goes with output.kind 'probabilities', not {kind!r}")
        names = self.stream.ch_names
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise ValueError(f"stream.ch_names: {', '.join(twice)} more than once; every channel needs its own name")
        if self.stream.source_id or self.stream.hostname:
            raise ValueError("stream: source_id and hostname name one outlet; a contract leaves them empty")
        return self


class Effect(Part):
    """What computing in fewer bits does to one score, on recordings that were used neither to train nor to quantise.

    Parameters
    ----------
    name
        The metric.
    full, reduced
        Its value with the float32 graph, and with this one.
    ci95
        95 % interval of the difference (reduced minus full), items resampled in pairs.
    n
        How many items were scored.
    chance
        What a guess would get.
    """

    name: str
    full: float
    reduced: float
    ci95: tuple[float, float]
    n: int = Field(ge=0)
    chance: float | None = None


class Metric(Part):
    """One score on data the decoder was not trained on.

    Parameters
    ----------
    value, chance, ci95
        The score, what a guess would get, and its 95 % interval.
    n
        How many items were scored.
    """

    name: str
    value: float
    chance: float | None = None
    ci95: tuple[float, float] | None = None
    n: int = Field(ge=0)
    note: str = ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Provenance(Part):
    """Where a decoder came from.

    Parameters
    ----------
    created
        ISO 8601, UTC.
    trained_on, held_out
        Groups of recordings used and not used for training.
    """

    created: str = Field(default_factory=_now)
    streamkit: str = __version__
    recipe: dict[str, Any] = Field(default_factory=dict)
    dataset: str = ""
    simulated: bool = False
    trained_on: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    seed: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    note: str = ""
