"""No display, no PyQt6, no system library: one clear sentence each, before Qt can end the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.view.environment import check, check_display, check_packages, check_screen, open_and_close
from streamkit.errors import BadInput, MissingPackage


def test_no_display_names_the_way_to_do_without() -> None:
    with pytest.raises(BadInput, match=r"no display was found.*QT_QPA_PLATFORM=offscreen.*--screenshot"):
        check_display({}, "linux")


@pytest.mark.parametrize("environ", [{"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "w"}, {"QT_QPA_PLATFORM": "offscreen"}])
def test_a_display_or_offscreen_will_do(environ: dict[str, str]) -> None:
    check_display(environ, "linux")


def failing(message: str):  # type: ignore[no-untyped-def]
    def load(module: str) -> object:
        raise ImportError(message)

    return load


def test_a_missing_package_says_which_extra_installs_it() -> None:
    with pytest.raises(MissingPackage, match=r"pip install 'streamkit\[view\]'"):
        check_packages(failing("No module named 'PyQt6'"))


def test_a_missing_system_library_says_which_debian_package_has_it() -> None:
    with pytest.raises(BadInput, match=r"libEGL\.so\.1 \(libegl1 on Debian\) is missing.*apt-get install libegl1"):
        check_packages(failing("libEGL.so.1: cannot open shared object file: No such file or directory"))


def test_this_machine_can_draw_offscreen() -> None:
    check({"QT_QPA_PLATFORM": "offscreen"})


def test_a_display_that_does_not_work_says_what_qt_said_and_what_to_install() -> None:
    with pytest.raises(BadInput, match=r"could not connect to display :99.*libxcb-icccm4.*QT_QPA_PLATFORM=offscreen"):
        check({"DISPLAY": ":99"}, platform="linux", probe=lambda: "could not connect to display :99")


def test_a_display_that_works_passes() -> None:
    check_screen(lambda: "")


def test_the_probe_reports_a_display_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    monkeypatch.setenv("DISPLAY", ":4711")
    assert open_and_close() != ""


def test_the_probe_is_content_where_qt_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert open_and_close() == ""


def run_view(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")} | environ
    command = [sys.executable, "-m", "apps.cli", "view", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_without_a_display_exits_2_with_one_error() -> None:
    done = run_view()
    assert done.returncode == 2
    assert done.stderr.startswith("error: no display was found")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--from", "nowhere"), "there is no recording at nowhere"),
        (("--size", "wide"), "expected WIDTHxHEIGHT"),
        (("--theme", "pink"), "pink"),
    ],
)
def test_wrong_use_exits_2(args: tuple[str, ...], said: str) -> None:
    done = run_view(*args, QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_text_is_drawn_on_a_machine_without_fonts(tmp_path: Path) -> None:
    pytest.importorskip("PyQt6")
    pytest.importorskip("matplotlib")
    (tmp_path / "fonts.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    code = (
        "from apps.view.app import application; app = application();"
        "from PyQt6.QtGui import QFontDatabase, QFontInfo; from apps.view.fonts import font;"
        "print(QFontInfo(font(13)).family(), len(QFontDatabase.families()))"
    )
    env = os.environ | {"FONTCONFIG_FILE": str(tmp_path / "fonts.conf"), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("DejaVu Sans")
