"""What may be chosen about a session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streamkit.inference import Wishes
from streamkit.lsl.watchdog import WATCHDOG_S

WhenBehind = Literal["all", "latest"]


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """Choices of one session; all have defaults.

    Parameters
    ----------
    stream
        Query for the signal stream (see `streamkit.lsl.discovery.predicate`); empty takes the only one there
        is, or the only one that fits the contract.
    also
        Queries for the side streams of the contract, in its order; an empty one takes a stream that fits.
    markers
        Query for the marker streams, or several; None takes those of the signal's host (see `pick_markers`), or none
        for a continuous decoder without `stimuli`.
    backend
        What to run the network with: a `Wish`, or the name of a backend (``"auto"`` takes the fastest that proves
        itself).
    strict_backend
        End the session when a backend fails its proof, rather than use another.
    name, uid
        Name and unique id of the session, from which its streams are named.
    stimuli
        Folder of images to publish as shown when a marker names one.
    wait_for_clients
        Open the inlets only when somebody has subscribed to the predictions.
    resolve_timeout
        Seconds to wait for the streams.
    budget
        Seconds from sample to prediction beyond which the ledger counts a miss; by default the hop of a
        continuous decoder, none for an event-locked one.
    when_behind
        When more than one window is ready at once: ``"all"`` decodes every one, oldest first; ``"latest"`` decodes
        the newest and counts the others as ``skipped``.
    warm
        Walk the way from a sample to a prediction once just before each that can be foreseen (`Warmth`): about a
        fifth less latency for one more inference per prediction.
    real_time
        Ask for real-time scheduling of the decoding thread and of LSL's (`streamkit.priority`); where the system does
        not grant it, nothing changes.
    watchdog
        Seconds of silence after which the signal is stalled; more where its source usually takes longer
        (`streamkit.lsl.watchdog`).
    buffer
        Seconds of raw samples kept for other readers; None for 30, or for 256 MiB of them where that is less.
    record
        Folder to record inputs and outputs to, with ``ledger.csv``; None records nothing.
    ledger_file
        CSV file for the ledger of every prediction (`streamkit.lsl.ledger_file.COLUMNS`); None writes none.
    """

    stream: str = ""
    also: tuple[str, ...] = ()
    markers: str | tuple[str, ...] | None = None
    backend: Wishes = "auto"
    strict_backend: bool = False
    name: str = "streamkit"
    uid: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    stimuli: Path | None = None
    wait_for_clients: bool = False
    resolve_timeout: float = 10.0
    budget: float | None = None
    when_behind: WhenBehind = "all"
    warm: bool = True
    real_time: bool = True
    watchdog: float = WATCHDOG_S
    buffer: float | None = None
    record: Path | None = None
    ledger_file: Path | None = None
