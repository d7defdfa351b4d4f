"""Fonts: the first good one there is, with digits of equal width; matplotlib's own where the machine has none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from PyQt6.QtGui import QFont, QFontDatabase

from streamkit.errors import BadInput

SANS = ("Inter", "Noto Sans", "Segoe UI", "Cantarell", "Ubuntu", "Helvetica Neue", "DejaVu Sans")
MONO = ("JetBrains Mono", "Cascadia Mono", "Menlo", "Noto Sans Mono", "DejaVu Sans Mono")
GENERIC = ("", "Monospace", "Sans", "Sans Serif", "Serif")
SMALLEST = 11

_chosen: dict[str, str] = {}


def load_fonts() -> None:
    """Choose the families; on a machine without fonts, load those that come with matplotlib.

    Raises
    ------
    BadInput
        When there is no font anywhere; says what to install.
    """
    if not _real(QFontDatabase.families()):
        for file in shipped_fonts():
            QFontDatabase.addApplicationFont(str(file))
    families = _real(QFontDatabase.families())
    if not families:
        raise BadInput(
            "no font was found to draw text with, neither on this machine nor with matplotlib; install one with "
            "`sudo apt-get install fonts-dejavu-core` or `pip install 'streamkit[all]'`"
        )
    _chosen["sans"] = next((name for name in SANS if name in families), families[0])
    _chosen["mono"] = next((name for name in MONO if name in families), _chosen["sans"])


def _real(families: list[str]) -> list[str]:
    """Fontconfig names its generic families even where no font stands behind them."""
    return [name for name in families if name not in GENERIC]


def shipped_fonts() -> list[Path]:
    """Font files that matplotlib brings along; empty when it is not installed."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return sorted(folder.glob("DejaVuSans*.ttf"))


def font(pixels: int = 13, *, bold: bool = False, mono: bool = False, spaced: bool = False) -> QFont:
    """Return a font of at least `SMALLEST` pixels with digits of equal width."""
    made = QFont(_chosen.get("mono" if mono else "sans", ""))
    made.setPixelSize(max(SMALLEST, pixels))
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    if spaced:
        made.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8)
    if hasattr(QFont, "Tag"):
        made.setFeature(QFont.Tag("tnum"), 1)
    return made
