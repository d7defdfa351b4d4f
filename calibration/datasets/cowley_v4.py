"""Macaque V4 watching natural images: Utah-array spike counts (Cowley, Stan, Pillow, Smith 2023).

Published (github.com/cowleygroup/V4_compact_models, ``data_V4_responses``) as ``images/images_<session>.zip`` (JPEG,
112 x 112 x 3, ``image0001.jpg`` …), ``responses_repeat_averaged/responses_<session>.npy`` ``(n_units, n_images)`` and
``responses_raw/responses_<session>.npy`` ``(n_units, n_images, n_repeats)``, NaN where an image had fewer repeats.
Each number counts spikes in one bin of 100 ms.

What becomes a stream: **not a continuous recording** - the authors publish one number per unit and image, so there is
one *sample per image*, at a nominal 4 Hz, the counts laid end to end without gaps; type ``Spikes``, unit ``counts``.
With ``which="averaged"`` the count is the mean over repeats, with ``"raw"`` every repeat is a sample of its own (all
images once, then again). The event sits at the sample's stamp and is labelled with the image's file name; the images
themselves are the stimuli. Near-identical images are clustered (`twins`), and whole clusters are dealt into 5
Recordings, groups ``block-0`` … ``block-4``.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.datasets.dataset import Options, missing, wrong_layout
from calibration.datasets.twins import clusters, deal
from streamkit.errors import ConfigError, RecordingError, require
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://github.com/cowleygroup/V4_compact_models (folder data_V4_responses)"
LICENCE = "GPL-3.0"
FOLDER = "the folder data_V4_responses, which holds images/ and responses_repeat_averaged/"
RESPONSES = {"averaged": "responses_repeat_averaged", "raw": "responses_raw"}
SFREQ = 4.0


class V4Options(Options):
    """Which session, and how it is cut.

    Parameters
    ----------
    session
        Six digits; may be left out where the folder holds one session only.
    which
        ``averaged`` over repeats, or ``raw``: every repeat.
    blocks
        Number of Recordings the images are dealt into.
    twin
        Correlation of thumbnails from which two images are near-identical.
    seed
        Deals the clusters.
    """

    session: str = ""
    which: Literal["averaged", "raw"] = "averaged"
    blocks: int = Field(default=5, ge=1)
    twin: float = Field(default=0.9, gt=0, le=1)
    seed: int = Field(0, ge=0)


def read(path: Path, options: V4Options) -> Iterator[Recording]:
    """Blocks of one session as Recordings."""
    session = options.session or only_session(path)
    names, images = read_images(path, session)
    counts = read_counts(path, session, options.which)
    if counts.shape[1] != len(names):
        raise wrong_layout(
            path / RESPONSES[options.which], f"{len(names)} images, as in the zip", f"{counts.shape[1]}", SOURCE
        )
    cluster = clusters(images, options.twin)
    block = deal(cluster, options.blocks, options.seed)
    for k in range(options.blocks):
        chosen = np.flatnonzero(block == k)
        meta = RecordingMeta(
            name=f"v4-{session}-block-{k}",
            group=f"block-{k}",
            session=session,
            source=SOURCE,
            licence=LICENCE,
            details={"which": options.which, "twin": options.twin, "seed": options.seed, "bin_s": 0.1},
        )
        stimuli = {names[i]: images[i] for i in chosen}
        signal, markers = lay_out(counts[:, chosen], [names[i] for i in chosen], cluster[chosen])
        yield Recording((signal,), (markers,), stimulus_arrays=stimuli, meta=meta)


def only_session(path: Path) -> str:
    """The one session at `path`; raises ConfigError listing them where there are several."""
    named = (re.fullmatch(r"images_(\d+)\.zip", file.name) for file in sorted(path.glob("images/*.zip")))
    sessions = [match[1] for match in named if match]
    if not sessions:
        raise missing(path, "image archives images/images_<session>.zip", SOURCE, FOLDER)
    if len(sessions) > 1:
        raise ConfigError(
            f"{path} holds the sessions {', '.join(sessions)}, whose units differ; "
            f"choose one with the option session, e.g. session={sessions[0]}"
        )
    return sessions[0]


def read_images(path: Path, session: str) -> tuple[list[str], NDArray[np.float32]]:
    """File names in order and the images ``(n, 3, height, width)`` in [0, 1], straight from the zip."""
    file = path / "images" / f"images_{session}.zip"
    if not file.is_file():
        raise missing(path, f"images/images_{session}.zip", SOURCE, FOLDER)
    image = require("PIL.Image", "images", "reading the images of a dataset")
    try:
        with zipfile.ZipFile(file) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
            pixels = [np.asarray(image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
        stack = np.stack(pixels).transpose(0, 3, 1, 2)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise RecordingError(
            f"{file}: not a whole zip of JPEG images of one size ({error}). Get it from {SOURCE}."
        ) from error
    return [name.rsplit("/", 1)[-1] for name in names], stack.astype(np.float32) / np.float32(255)


def read_counts(path: Path, session: str, which: str) -> NDArray[np.float64]:
    """Spike counts ``(n_units, n_images, n_repeats)``; one repeat when averaged."""
    file = path / RESPONSES[which] / f"responses_{session}.npy"
    if not file.is_file():
        raise missing(path, f"{RESPONSES[which]}/responses_{session}.npy", SOURCE, FOLDER)
    try:
        counts = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise RecordingError(f"{file}: not a whole array of numbers ({error}). Get it from {SOURCE}.") from error
    dimensions = {"averaged": 2, "raw": 3}[which]
    if counts.ndim != dimensions:
        raise wrong_layout(file, f"an array of {dimensions} dimensions", f"shape {counts.shape}", SOURCE)
    return counts.reshape(*counts.shape[:2], -1)


def lay_out(counts: NDArray[np.float64], names: list[str], cluster: NDArray[np.intp]) -> tuple[Signal, Markers]:
    """One sample and one marker per image and repeat that was recorded, repeats outermost."""
    recorded = np.isfinite(counts).all(axis=0).T
    repeat, image = np.nonzero(recorded)
    stamps = np.arange(len(image)) / SFREQ
    ch_names = tuple(f"unit-{k:03d}" for k in range(len(counts)))
    spec = StreamSpec(name="V4", type="Spikes", ch_names=ch_names, sfreq=SFREQ, unit="counts")
    signal = Signal(spec, counts[:, image, repeat].T.astype(np.float32), stamps)
    marker_spec = StreamSpec(name="images", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    columns = {"repeat": repeat.tolist(), "cluster": cluster[image].tolist()}
    return signal, Markers(marker_spec, tuple(names[i] for i in image), stamps, columns)
