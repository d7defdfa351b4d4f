"""Curves of scores: every part is drawn in its own way, in every panel the same."""

from __future__ import annotations

from calibration.tables.plots import courses
from calibration.tables.table import Table


def line(metric: str, part: str, signal: float, value: float) -> dict[str, object]:
    return {
        "metric": metric,
        "decoder": part,
        "signal": signal,
        "value": value,
        "chance": 0.0,
        "ci95": [value - 0.1, value + 0.1],
    }


def test_a_part_looks_the_same_in_every_panel_and_the_one_legend_names_all() -> None:
    names = [f"decoder {number}" for number in range(7)]
    rows = [line("r", name, signal, 0.5) for name in names for signal in (1.0, 0.0)]
    rows += [line("MSE", name, signal, 0.5) for name in names[2:6] for signal in (1.0, 0.0)]
    first, last = courses("signal", "signal", split="decoder")(Table(rows)).axes
    assert first.get_legend() is None
    assert [text.get_text() for text in last.get_legend().get_texts()] == names
    looks = [
        {each.get_label(): (each.get_color(), each.get_linestyle()) for each in axes.lines} for axes in (first, last)
    ]
    assert len({looks[0][name] for name in names}) == 7
    assert all(looks[0][name] == looks[1][name] for name in names)
    curve = next(each for each in first.lines if each.get_label() == names[0])
    assert list(curve.get_xdata()) == [0.0, 1.0]
