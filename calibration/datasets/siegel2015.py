"""Six regions of macaques while they watch cues and moving dots: Siegel, Buschman and Miller 2015.

Two layouts of files. ``sessions``: the authors' own, as `calibration.datasets.siegel_files` reads them. ``prepared``:
what Zhang et al. made of them for their code,

``spike_data_0.1_new/stimuli<s>_cue<c>_0.1.npy``
    ``(n, 45, 140)`` of stimulus s (1 to 16) and cue c (1 to 4): pseudo-trials already, in the order PFC 30, FEF 30,
    LIP 30, MT 20, IT 10, V4 20.
``stimuli_tensor_new/Train_stimuli<s>_cue<c - 1>_frames10.npy``
    ``(60, 45, 3, 64, 64)`` in [0, 1], of which rows and columns 16 to 47 are used.

Which stimulus is of which colour and direction is not said; they are taken to count directions fastest.

What becomes a stream. ``layout="population"`` (default): pseudo-trials of `sites`, of groups ``train``, ``validation``
and ``test``; the trials of every session are split *before*, so no spike is in two of them. *Not a continuous
recording*: pseudo-trials are laid end to end. ``layout="sessions"``: one Recording per session, all its units, its
trials laid end to end. ``layout="prepared"``: pseudo-trials as they are, split afterwards, for nothing else can be done
with them: the same spikes of a site may be on both sides, which makes scores too good.

Clips are not part of the recordings. They are drawn by `calibration.datasets.dots_clips` from cue, colour and
direction; where the dots were is not known, as it was not to Zhang et al., who took one of 60 clips for each trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from calibration.datasets.dataset import Options, listed, missing, wrong_layout
from calibration.datasets.dots_clips import Pixels, clips_of, conditions_of
from calibration.datasets.dots_config import N_CUES, Clip
from calibration.datasets.dots_recording import Shown, ch_names_of, recording_of, spec_of
from calibration.datasets.siegel_files import (
    FOLDER,
    SOURCE,
    Columns,
    SessionFiles,
    counts_of,
    numbers,
    read_table,
    region_names,
    sessions_below,
    spike_times,
    usable,
)
from calibration.datasets.world import generator
from calibration.spikes2video.material import PUBLISHED_SITES, Conditions, Stages, Trials
from calibration.spikes2video.pseudo import SHARES, chosen_sites, pseudo_trials, split
from streamkit.errors import RecordingError
from streamkit.recording import Recording, RecordingMeta, Signal

LICENCE = "from the authors; not public"
BIN = 0.1
BEFORE = 1.5
"""Seconds from the beginning of a trial to the onset of the dots: fixation and cue."""
CROP = slice(16, 48)
COLOURS = ((0.95, 0.25, 0.2), (0.75, 0.7, 0.1), (0.15, 0.75, 0.35), (0.3, 0.4, 0.95))
Degrees = Annotated[tuple[float, ...], BeforeValidator(listed)]
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


class SiegelOptions(Options):
    """Which layout, and how trials become Recordings.

    Parameters
    ----------
    layout
        ``population``, ``sessions`` or ``prepared``.
    session
        Names of sessions, such as ``100706``; all by default.
    sites
        Of each region, in the order of the channels.
    trials
        Pseudo-trials of each condition, by group.
    directions
        Degrees of the four directions that are used; trials of others are left out.
    colours
        The four values of the table's colour that are used; all there are by default.
    cue_column, colour_column, direction_column
        What the table of trials calls them.
    clips
        Clips drawn for each condition.
    frames
        An event and a stimulus for every frame as well.
    seed
        Of the split, the sites and the pseudo-trials.
    """

    layout: Literal["population", "sessions", "prepared"] = "population"
    session: Names = ()
    sites: dict[str, int] = Field(default_factory=lambda: dict(PUBLISHED_SITES))
    trials: dict[str, int] = Field(default_factory=lambda: {"train": 358, "validation": 52, "test": 102})
    directions: Degrees = (90.0, 30.0, -30.0, -90.0)
    colours: Degrees = ()
    cue_column: str = Columns.cue
    colour_column: str = Columns.colour
    direction_column: str = Columns.direction
    clips: int = Field(1, ge=1)
    frames: bool = False
    seed: int = 1233

    @property
    def clip(self) -> Clip:
        """The clips that are drawn."""
        return Clip(directions=self.directions, colours=COLOURS, clips=self.clips)


@dataclass(frozen=True)
class Session:
    """Trials of one session before they are given clips: counts ``(n, 45, n_units)`` and what was shown."""

    name: str
    counts: NDArray[np.float32]
    region: NDArray[np.str_]
    cue: NDArray[np.float64]
    colour: NDArray[np.float64]
    direction: NDArray[np.float64]


def read(path: Path, options: SiegelOptions) -> Iterator[Recording]:
    """Recordings of the layout that the options choose."""
    if options.layout == "prepared":
        yield from laid_out(split(prepared(path, options), SHARES, options.seed), options, "prepared")
        return
    sessions = trials_of_sessions([read_session(each, options) for each in wanted(path, options)], options)
    if options.layout == "sessions":
        yield from laid_out({str(each.session[0]): each for each in sessions if len(each)}, options, "session")
        return
    yield from laid_out(population(sessions, options), options, "population")


def wanted(path: Path, options: SiegelOptions) -> list[SessionFiles]:
    """Sessions that the options choose."""
    found = sessions_below(path)
    chosen = [each for each in found if not options.session or each.name in options.session]
    if not chosen:
        names = ", ".join(each.name for each in found)
        raise RecordingError(f"{path} has no session {', '.join(options.session)}; it has {names}")
    return chosen


def read_session(files: SessionFiles, options: SiegelOptions) -> Session:
    """Counts of one session, and what its trials showed.

    Raises
    ------
    RecordingError
        When the tables are not those of the spikes.
    """
    columns = (options.cue_column, options.colour_column, options.direction_column)
    table, units = read_table(files.trials, columns), read_table(files.units, ("area",))
    times = spike_times(files.spikes)
    sizes = (len(table[columns[0]]), len(units["area"]))
    if times.shape != sizes:
        given = f"{times.shape[0]} trials and {times.shape[1]} units"
        raise wrong_layout(files.spikes, f"{sizes[0]} trials and {sizes[1]} units, as its tables", given, SOURCE)
    good = usable(table)
    stages = Stages()
    counts = counts_of(times[good], -BEFORE, stages.n_frames, BIN)
    shown = (numbers(table[name])[good] for name in columns)
    return Session(files.name, counts, region_names(units["area"]), *shown)


def trials_of_sessions(sessions: Sequence[Session], options: SiegelOptions) -> list[Trials]:
    """The sessions' trials of the conditions that are used, with clips drawn for them."""
    clip = options.clip
    conditions = conditions_of(clip)
    cues = known_values([each.cue for each in sessions], (), N_CUES, options.cue_column)
    colours = known_values([each.colour for each in sessions], options.colours, len(COLOURS), options.colour_column)
    videos = clips_of(clip, [generator(options.seed, "clip", str(k)) for k in range(clip.clips)])
    return [with_clips(each, (cues, colours, np.array(clip.directions)), conditions, videos, clip) for each in sessions]


def known_values(
    columns: Sequence[NDArray[np.float64]], said: Sequence[float], count: int, name: str
) -> NDArray[np.float64]:
    """The values a column has, in rising order, or those that are said.

    Raises
    ------
    RecordingError
        When there are more than there is place for.
    """
    if said:
        return np.array(said, np.float64)
    found = np.unique(np.concatenate(columns))
    found = found[np.isfinite(found)]
    if not 1 <= len(found) <= count:
        values = ", ".join(f"{value:g}" for value in found[:12]) or "none"
        raise RecordingError(f"the column {name!r} has the values {values}; expected up to {count}: say which are used")
    return found


def with_clips(
    session: Session, values: Sequence[NDArray[np.float64]], conditions: Conditions, videos: Pixels, clip: Clip
) -> Trials:
    """Trials of one session; those that show something else are left out."""
    seen = (session.cue, session.colour, session.direction)
    places = [np.argmin(np.abs(column[:, None] - known), axis=1) for column, known in zip(seen, values, strict=True)]
    used = np.all(
        [np.isclose(column, known[at]) for column, known, at in zip(seen, values, places, strict=True)], axis=0
    )
    condition = np.ravel_multi_index(tuple(places), (N_CUES, len(clip.colours), len(clip.directions)))[used]
    turn = np.array([np.count_nonzero(condition[:k] == condition[k]) for k in range(len(condition))], np.intp)
    return Trials(
        session.counts[used],
        condition.astype(np.intp),
        session.region,
        videos,
        (condition * clip.clips + turn % clip.clips).astype(np.intp),
        conditions,
        session=np.full(len(condition), session.name),
    )


def population(sessions: Sequence[Trials], options: SiegelOptions) -> dict[str, Trials]:
    """Pseudo-trials by group: trials are split, then sites chosen among all sessions, then put together."""
    region = np.concatenate([trials.region for trials in sessions])
    owner = np.repeat(np.arange(len(sessions)), [trials.size[1] for trials in sessions])
    column = np.concatenate([np.arange(trials.size[1]) for trials in sessions])
    chosen = chosen_sites(region, options.sites, options.seed)
    total = sum(options.trials.values())
    shares = {name: count / total for name, count in options.trials.items()}
    dealt = [split(trials, shares, options.seed + k) for k, trials in enumerate(sessions)]
    made = {}
    for k, (group, n) in enumerate(options.trials.items()):
        used = np.unique(owner[chosen])
        parts = [dealt[j][group].only(column[chosen[owner[chosen] == j]]) for j in used]
        pseudo = pseudo_trials(parts, n, options.seed + k)
        order = np.argsort(np.concatenate([np.flatnonzero(owner[chosen] == j) for j in used]))
        made[group] = pseudo.only(order)  # sites of a region stand together again
    return made


def prepared(path: Path, options: SiegelOptions) -> Trials:
    """Pseudo-trials that Zhang et al. made.

    Raises
    ------
    RecordingError
        When a file is missing or of another shape.
    """
    clip = options.clip
    conditions, X, condition, shown, videos = conditions_of(clip), [], [], [], []
    region = np.repeat(list(PUBLISHED_SITES), list(PUBLISHED_SITES.values()))
    for number, (cue, stimulus) in enumerate(product(range(1, N_CUES + 1), range(1, 17))):
        counts = load(path, f"stimuli{stimulus}_cue{cue}_0.1.npy", (45, len(region)))
        clips = load(path, f"Train_stimuli{stimulus}_cue{cue - 1}_frames10.npy", (45, 3, 64, 64))
        clips = np.rint(np.clip(clips[:, :, :, CROP, CROP], 0, 1) * 255).astype(np.uint8).transpose(0, 2, 1, 3, 4)
        shown.append(sum(map(len, videos)) + np.arange(len(counts)) % len(clips))
        X.append(counts.astype(np.float32))
        condition.append(np.full(len(counts), number))
        videos.append(clips)
    return Trials(
        np.concatenate(X),
        np.concatenate(condition).astype(np.intp),
        region.astype(np.str_),
        np.concatenate(videos),
        np.concatenate(shown).astype(np.intp),
        conditions,
    )


def load(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """An array of rows of this shape, wherever below `path` it lies."""
    found = sorted(path.rglob(name)) if path.is_dir() else []
    if not found:
        raise missing(path, name, SOURCE, FOLDER)
    try:
        values = np.load(found[0], allow_pickle=False)
    except (ValueError, OSError) as error:
        raise RecordingError(f"{found[0]}: not a whole .npy file of numbers ({error})") from error
    if values.shape[1:] != shape or not len(values):
        raise wrong_layout(found[0], f"rows of {shape}", f"{values.shape}", SOURCE)
    return values


def laid_out(groups: dict[str, Trials], options: SiegelOptions, what: str) -> Iterator[Recording]:
    """One Recording per group, its trials in random order end to end."""
    for name, trials in groups.items():
        order = generator(options.seed, "order", name).permutation(len(trials))
        yield as_recording(trials[order], name, what, options)


def as_recording(trials: Trials, group: str, what: str, options: SiegelOptions) -> Recording:
    """Trials end to end; see `calibration.datasets.dots_recording`."""
    n_bins, n_sites = trials.size
    spec = spec_of("MUA", ch_names_of(trials.region.tolist()), BIN)
    stamps = np.arange(1, len(trials) * n_bins + 1) * BIN
    onsets = BIN * (1 + n_bins * np.arange(len(trials)))
    lead = np.zeros((1, n_sites), np.float32)  # a bin before the first trial, as the windows of the others have one
    data = np.concatenate([lead, trials.X.reshape(-1, n_sites)])
    signal = Signal(spec, data, np.concatenate([stamps, [stamps[-1] + BIN]]))
    per = len(trials.videos) // len(trials.conditions)
    clip = trials.shown - trials.condition * per
    shown = Shown(onsets, trials.condition, clip, trials.conditions, trials.videos, 1 / BIN, trials.stages)
    meta = RecordingMeta(
        name=f"siegel2015-{group}",
        group=group,
        session=group if what == "session" else "",
        source=SOURCE,
        licence=LICENCE,
        details={"layout": options.layout, "stages": list(trials.stages), "not_continuous": True},
    )
    return recording_of(signal, shown, "siegel2015", meta, options.frames)
