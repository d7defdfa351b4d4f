"""The progress bar in terminals of several widths."""

from __future__ import annotations

import pytest

from calibration.progress import Bar


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_counts_times_and_notes_are_never_cut(columns: int, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with Bar() as bar:
        bar.begin("training", 300)
        for _ in range(300):
            bar.advance("loss 0.136, validation 0.298")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert "training" in line
    assert " 300/300 " in line
    assert "loss 0.136, validation 0.298" in line
    assert "…" not in line
    assert len(line) <= columns


def test_a_terminal_too_narrow_wraps_the_note_alone(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with Bar() as bar:
        bar.begin("training", 30)
        bar.advance("loss 0.136, validation 0.298")
    said = capsys.readouterr().err
    assert " 30/30 " in said
    assert "…" not in said
