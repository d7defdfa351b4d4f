"""The readable file of a dots world, checked key by key."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field, model_validator

from calibration.datasets.world_config import Part, loaded

KIND = "dots"
N_CUES = 4
Colour = tuple[float, float, float]


class Clip(Part):
    """What is on the screen.

    Parameters
    ----------
    side
        Pixels of a frame's height and width.
    sfreq
        Frames per second.
    fixation, cue, stimulus
        Frames of each stage.
    dots, radius, speed
        How many dots, their radius in pixels, and how many pixels they move from frame to frame.
    clips
        Different clips of each condition, whose dots start elsewhere; trials get them in turn.
    directions
        Degrees, anticlockwise from rightwards.
    colours
        Red, green and blue in [0, 1].
    """

    side: int = Field(default=32, ge=16)
    sfreq: float = Field(default=10.0, gt=0)
    fixation: int = Field(default=5, ge=1)
    cue: int = Field(default=10, ge=1)
    stimulus: int = Field(default=30, ge=1)
    dots: int = Field(default=48, ge=1)
    radius: float = Field(default=1.6, gt=0)
    speed: float = Field(default=1.0, ge=0)
    clips: int = Field(default=1, ge=1)
    directions: tuple[float, ...] = Field(default=(90.0, 30.0, -30.0, -90.0), min_length=2)
    colours: tuple[Colour, ...] = Field(min_length=2)

    @property
    def n_conditions(self) -> int:
        """Cues times colours times directions."""
        return N_CUES * len(self.colours) * len(self.directions)


class Spikes(Part):
    """The spikes of every site.

    Parameters
    ----------
    bin
        Length of a counting bin, seconds; frames must be whole numbers of bins long.
    base
        Hz without anything on the screen.
    evoked
        Hz that the onset of a stage adds, whatever is shown.
    tuned
        Hz, root mean square over what is shown, in a region of strength 1.
    latency, transient, sustained
        Seconds from onset to answer; time constant of the onset transient; share of the answer that lasts.
    """

    bin: float = Field(default=0.1, gt=0)
    base: float = Field(default=12.0, gt=0)
    evoked: float = Field(default=6.0, ge=0)
    tuned: float = Field(default=6.0, ge=0)
    latency: float = Field(default=0.06, ge=0)
    transient: float = Field(default=0.15, gt=0)
    sustained: float = Field(default=0.6, ge=0, le=1)


class Region(Part):
    """Sites of one region, and how strongly they are tuned: 1 is ``spikes.tuned`` (of `evoked`: ``spikes.evoked``)."""

    name: str = Field(min_length=1)
    sites: int = Field(ge=1)
    evoked: float = Field(default=1.0, ge=0)
    cue: float = Field(default=0.0, ge=0)
    colour: float = Field(default=0.0, ge=0)
    direction: float = Field(default=0.0, ge=0)


class Noise(Part):
    """What varies beside the stimulus.

    Parameters
    ----------
    signal
        Scale of all tuning; at 0 every condition gives the same rates.
    gain_sd
        Standard deviation of the gain that all sites of a region share in one trial (log-normal, mean 1).
    """

    signal: float = Field(default=1.0, ge=0)
    gain_sd: float = Field(default=0.1, ge=0)


class Timing(Part):
    """Seconds before the first trial, and of a dark screen between two."""

    lead: float = Field(default=1.0, ge=0)
    between: float = Field(default=0.5, ge=0)


class DotsConfig(Part):
    """A monkey that watches cues and moving dots.

    Parameters
    ----------
    name, description, seed
        What it is called and for, and the seed of everything random.
    groups
        The Recordings by group name: how many trials of each condition.
    """

    kind: Literal["dots"]
    name: str
    description: str = ""
    seed: int = Field(0, ge=0)
    groups: dict[str, int]
    clip: Clip
    spikes: Spikes = Spikes()
    regions: tuple[Region, ...] = Field(min_length=1)
    noise: Noise = Noise()
    timing: Timing = Timing()

    @model_validator(mode="after")
    def _fits(self) -> DotsConfig:
        names = [region.name for region in self.regions]
        if len(set(names)) < len(names):
            raise ValueError("regions: a name is there more than once")
        if not self.groups or min(self.groups.values()) < 1:
            raise ValueError("groups: expected at least one, each with 1 or more trials of each condition")
        if abs(self.bins_per_frame * self.spikes.bin * self.clip.sfreq - 1) > 1e-9:
            raise ValueError(
                f"spikes.bin = {self.spikes.bin:g} s does not fit a whole number of times into a frame of "
                f"{1 / self.clip.sfreq:g} s"
            )
        return self

    @property
    def bins_per_frame(self) -> int:
        """How many counting bins lie under one frame."""
        return max(1, round(1 / (self.clip.sfreq * self.spikes.bin)))

    @property
    def n_sites(self) -> int:
        """Of all regions."""
        return sum(region.sites for region in self.regions)


load_dots = partial(loaded, DotsConfig, KIND)
"""`calibration.datasets.world_config.loaded`, of a world of this kind."""
