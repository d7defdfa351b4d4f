"""The demo: simulate a visual cortex, calibrate an image decoder, replay, decode live over LSL, watch."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.rehearsal import Cast, Rehearsal, rehearse
from apps.view.environment import check as check_window
from apps.view.environment import screenless
from calibration.calibrate import calibrate
from calibration.datasets.world import simulate, write_world
from calibration.datasets.world_config import load_world
from calibration.metrics import Draws, score_identification
from calibration.progress import Progress
from calibration.recipe import load_recipe
from calibration.targets import image_of
from streamkit.bundle import load_bundle
from streamkit.errors import BadInput
from streamkit.recording import Recording, read_recording
from streamkit.verify import compare, offline_in_its_own_process

RECIPE, WORLD, N_WAY = "demo-images", "demo", 20
REPORT = "demo.json"
Say = Callable[[str], None]


def fresh_folder(out: Path) -> Path:
    """Make `out` an empty folder; only a former demo is replaced.

    Raises
    ------
    BadInput
        When `out` holds anything else.
    """
    if out.exists() and any(out.iterdir()):
        if not (out / REPORT).exists():
            raise BadInput(f"{out} is not empty and not a former demo; give --out another folder")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).write_text("{}")
    return out


def no_window() -> str:
    """Why no window can be shown here; empty when one can."""
    if screenless(os.environ):
        return "Qt was told to draw offscreen"
    try:
        check_window()
    except BadInput as error:
        return str(error)
    return ""


@contextlib.contextmanager
def window(cast: Cast, screenshots: Path, headless: bool) -> Iterator[subprocess.Popen[bytes]]:
    """The window in a process of its own, taking a screenshot every ten seconds; offscreen when headless."""
    screenshots.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({"QT_QPA_PLATFORM": "offscreen"} if headless else {})
    arguments = ["view", "--name", cast.session, "--screenshots", str(screenshots), "--screenshot-every", "10"]
    log = (screenshots / "window.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "apps.cli", *arguments], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if headless:
            process.terminate()
        process.wait()
        log.close()


def shown_images(recording: Recording, labels: list[str], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """``(n, channels, height, width)`` what was on screen at each event, at the decoder's size."""
    channels, height, width = shape
    return np.stack([image_of(recording, label, (channels, height, width)) for label in labels])


def contact_sheet(shown: NDArray[np.float32], seen: NDArray[np.float32], path: Path, n: int = 12) -> None:
    """PNG of `n` shown images over what was seen, for a person to look at."""
    from PIL import Image

    picks = np.linspace(0, len(shown) - 1, min(n, len(shown))).astype(int)
    margin = ((2, 2), (2, 2), (0, 0))
    rows = [
        np.concatenate([np.pad(np.moveaxis(images[i], 0, -1), margin, constant_values=1) for i in picks], axis=1)
        for images in (shown, seen)
    ]
    sheet = np.clip(np.concatenate(rows), 0, 1).squeeze()
    picture = Image.fromarray((sheet * 255).astype(np.uint8))
    picture.resize((picture.width * 3, picture.height * 3), Image.Resampling.NEAREST).save(path)


def live_part(bundle: Path, recording: Path, out: Path, headless: bool, say: Say) -> tuple[Rehearsal, list[str]]:
    """Replay the held-out recording through a live session, with the window watching."""
    cast, screenshots = Cast(session="demo"), out / "screenshots"
    ticks = {"next": time.monotonic()}

    def tick(n: int) -> None:
        if time.monotonic() >= ticks["next"]:
            ticks["next"] += 10
            say(f"  {n} images decoded")

    with window(cast, screenshots, headless) as process:
        result = rehearse(bundle, recording, cast=cast, on_tick=tick)
        if not headless and process.poll() is None:
            say("the window stays open; close it to finish")
    return result, sorted(str(path) for path in screenshots.glob("*.png"))


def run_demo(out: Path, *, headless: bool, seed: int, say: Say, progress: Progress) -> dict[str, Any]:
    """Run the main job and return its report, which is also written to ``OUT/demo.json``."""
    started = time.monotonic()
    fresh_folder(out)
    say("1/4  simulating a visual cortex that watches photographs (simulated data)")
    write_world(simulate(load_world(WORLD), seed), out / "world")
    say("2/4  calibrating an image decoder; the held-out photographs are never seen")
    with progress:
        calibrated = calibrate(
            load_recipe(RECIPE), out / "world", out / "bundle", out / "held-out", seed or None, progress=progress
        )
    bundle, recording = calibrated.bundle.path, calibrated.held_out_recordings[0]
    say("3/4  replaying the held-out photographs over LSL and decoding them live")
    rehearsal, screenshots = live_part(bundle, recording, out, headless, say)
    say("4/4  comparing live with offline and scoring what was seen")
    report = {
        **score(bundle, recording, rehearsal, out),
        "screenshots": screenshots,
        "seconds": round(time.monotonic() - started, 1),
    }
    (out / REPORT).write_text(json.dumps(report, indent=2))
    return report


def score(bundle_path: Path, recording_path: Path, rehearsal: Rehearsal, out: Path) -> dict[str, Any]:
    """Score the live reconstructions and hold them against the offline answer."""
    bundle, recording = load_bundle(bundle_path), read_recording(recording_path)
    live = rehearsal.answer
    offline = offline_in_its_own_process(bundle_path, recording_path, rehearsal.wishes, live.taken)
    contract = bundle.contract
    verdict = compare(offline, live, contract.processed.sfreq)
    labels = [event.label for event in live.events if event is not None]
    shown = shown_images(recording, labels, contract.output.shape)
    contact_sheet(shown, live.values, out / "shown_and_seen.png")
    metric = score_identification(live.values, shown, np.array(labels), N_WAY, Draws())
    above_chance = metric.ci95[0] > metric.chance
    return {
        "status": "ok" if verdict.passed and above_chance else "failed",
        "simulated": True,
        "predictions": verdict.live,
        "metric": {
            "name": metric.name,
            "value": metric.value,
            "chance": metric.chance,
            "ci95": list(metric.ci95),
            "p": metric.p,
            "n": metric.n,
        },
        "beside": {m.name: m.value for m in bundle.metrics},
        "parity_max_abs": verdict.max_abs,
        "missed": verdict.missed,
        "duplicated": verdict.duplicated,
        "latency_ms": {key: rehearsal.latency["latency_ms"][key] for key in ("p50", "p95", "p99")},
        "backend": live.backend,
        "bundle": str(bundle_path),
        "pictures": str(out / "shown_and_seen.png"),
    }
