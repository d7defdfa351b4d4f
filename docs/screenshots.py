"""Make the README's pictures of the window: from the demo and, where the recordings are, from macaque V4.

    python docs/screenshots.py --v4 PATH/TO/v4_cowley --brainae

All are live runs over LSL, drawn offscreen. The demo's data and BrainAE's EEG are simulated; the V4 counts are real,
repeat-averaged responses to images that the decoder was not trained on.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from apps.commands.demo import machine_only_lsl

IMAGES = Path(__file__).parent / "images"


def keep(pictures: list[str], name: str) -> None:
    """Keep the picture taken half way through the run."""
    IMAGES.mkdir(exist_ok=True)
    shutil.copyfile(pictures[len(pictures) // 2], IMAGES / name)


def streamkit(*arguments: str) -> None:
    """Run one command as a user would."""
    subprocess.run([sys.executable, "-m", "apps.cli", *arguments], check=True)


def from_demo(folder: Path) -> None:
    """The demo, as the README's first command runs it."""
    streamkit("demo", "--headless", "--out", str(folder / "demo"))
    keep(sorted(str(path) for path in (folder / "demo" / "screenshots").glob("*.png")), "window-demo.png")
    shutil.copyfile(folder / "demo" / "shown_and_seen.png", IMAGES / "shown-and-seen-demo.png")


def from_v4(folder: Path, data: Path) -> None:
    """Session 201025: calibrate, then replay the held-out images through a live session."""
    from apps.demo import live_part

    bundle, held_out = folder / "v4", folder / "held-out"
    streamkit("calibrate", "v4-images", "--data", str(data), "--out", str(bundle), "--held-out", str(held_out))
    (recording,) = held_out.iterdir()
    _, pictures = live_part(bundle, recording, folder / "v4-live", True, print)
    keep(pictures, "window-v4.png")


def from_brainae(folder: Path) -> None:
    """BrainAE, small: the first minute of the held-out EEG, pictures found again and EEG predicted."""
    from apps.demo import live_part
    from streamkit.recording import read_recording, write_recording
    from streamkit.recording.clip import clip

    bundle, held_out, minute = folder / "brainae", folder / "held-out-brainae", folder / "minute"
    streamkit("calibrate", "brainae-eeg-small", "--out", str(bundle), "--held-out", str(held_out))
    (recording,) = held_out.iterdir()
    write_recording(clip(read_recording(recording), stop=60.0), minute)
    _, pictures = live_part(bundle, minute, folder / "brainae-live", True, print)
    keep(pictures, "window-brainae.png")


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--v4", type=Path, help="folder of the published V4 data; without it only the demo is run")
    parser.add_argument("--skip-demo", action="store_true", help="leave the pictures of the demo as they are")
    parser.add_argument("--brainae", action="store_true", help="also calibrate and run BrainAE, small")
    options = parser.parse_args()
    machine_only_lsl()
    with tempfile.TemporaryDirectory() as folder:
        if not options.skip_demo:
            from_demo(Path(folder))
        if options.v4 is not None:
            from_v4(Path(folder), options.v4)
        if options.brainae:
            from_brainae(Path(folder))


if __name__ == "__main__":
    main()
