"""What the window knows of predicted and recorded epochs, and of candidates."""

from __future__ import annotations

import numpy as np
import pytest

from apps.view.state.candidates import CandidateState
from apps.view.state.discovery import DiscoveryState, Found
from apps.view.state.encoding import EncodingState
from apps.view.state.montage import place, places

NAMES = ("Fz", "C3", "C4", "Oz")
N_TIMES, SFREQ = 50, 250.0
NOW = 1000.0


def configured(ch_names: tuple[str, ...] = NAMES) -> EncodingState:
    state = EncodingState()
    state.configure(ch_names, SFREQ, N_TIMES, -0.04, ("apple", "bear"))
    return state


def epoch(seed: int, n_chans: int = len(NAMES)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N_TIMES, n_chans)).astype(np.float32)


def send(state: EncodingState, k: int, start: float, valid: bool = True, order: str = "prt") -> None:
    """Epoch `k`, its predicted and recorded samples and the report in any order."""
    stamps = start + np.arange(N_TIMES) / SFREQ
    n_chans = len(state.ch_names)
    r = np.linspace(-0.2, 0.8, n_chans)
    row = np.concatenate([[k % 2, start, 0, valid, k + 1], r, r - 0.1, r + 0.1, 0.1 * r])
    for what in order:
        if what == "p":
            state.push_rows("predicted", epoch(k, n_chans), stamps)
        elif what == "r":
            state.push_rows("recorded", epoch(100 + k, n_chans), stamps)
        else:
            state.push_report(row, float(stamps[-1]), NOW)


@pytest.mark.parametrize("order", ["prt", "tpr", "rtp"])
def test_an_epoch_is_put_together_in_whatever_order_it_comes(order: str) -> None:
    state = configured()
    send(state, 1, 10.0, order=order)
    assert [pair.label for pair in state.epochs] == ["bear"]
    np.testing.assert_array_equal(state.epochs[0].predicted, epoch(1))
    np.testing.assert_array_equal(state.epochs[0].recorded, epoch(101))


def test_epochs_that_overlap_are_told_apart() -> None:
    state = configured()
    for k in range(4):
        send(state, k, 10.0 + 0.08 * k)
    assert len(state.epochs) == 4
    for k, pair in enumerate(state.epochs):
        np.testing.assert_array_equal(pair.recorded, epoch(100 + k))


def test_an_epoch_of_which_samples_were_lost_is_left_out_and_the_next_is_not() -> None:
    state = configured()
    stamps = 10.0 + np.arange(N_TIMES) / SFREQ
    state.push_rows("predicted", epoch(0)[20:], stamps[20:])
    state.push_rows("recorded", epoch(100), stamps)
    r = np.zeros(len(NAMES))
    state.push_report(np.concatenate([[0, 10.0, 0, 1, 1], r, r, r, r]), float(stamps[-1]), NOW)
    for k in range(1, 12):
        send(state, k, 10.0 + k)
    assert len(state.epochs) >= 3
    np.testing.assert_array_equal(state.epochs[-1].predicted, epoch(11))


def test_what_does_not_fit_the_description_is_dropped() -> None:
    state = configured()
    state.push_rows("predicted", np.zeros((3, 9), np.float32), np.arange(3.0))
    state.push_report(np.zeros(4), 1.0, NOW)
    assert state.count == 0
    assert state.traces()[0].size == 0


def test_the_best_channel_is_chosen_once_there_is_something_to_go_by_and_then_it_stays() -> None:
    state = configured()
    for k in range(3):
        send(state, k, 10.0 + k)
    assert NAMES[state.chosen] == "Oz"
    state.choose(1)
    send(state, 3, 20.0)
    assert state.chosen == 1


def test_channels_are_turned_round_and_round() -> None:
    state = configured()
    state.turn(-1)
    assert state.chosen == 3
    state.turn(2)
    assert state.chosen == 1
    state.choose(99)
    assert state.chosen == 1


def test_the_mean_is_that_of_the_valid_epochs() -> None:
    state = configured()
    for k in range(4):
        send(state, k, 10.0 + k, valid=k != 2)
    state.choose(0)
    newest, _ = state.traces()
    np.testing.assert_allclose(newest, epoch(3)[:, 0])
    state.average = True
    predicted, recorded = state.traces()
    np.testing.assert_allclose(predicted, np.mean([epoch(k)[:, 0] for k in (0, 1, 3)], axis=0), rtol=1e-5)
    np.testing.assert_allclose(recorded, np.mean([epoch(100 + k)[:, 0] for k in (0, 1, 3)], axis=0), rtol=1e-5)
    assert "3 epochs" in state.caption


def test_times_are_relative_to_the_event() -> None:
    times = configured().times
    assert times[0] == pytest.approx(-0.04)
    assert times[-1] == pytest.approx(-0.04 + (N_TIMES - 1) / SFREQ)


@pytest.mark.parametrize(
    ("name", "x", "y"), [("Cz", 0, 0), ("Oz", 0, -0.64), ("T7", -0.8, 0), ("T4", 0.8, 0), ("Fpz", 0, 0.64)]
)
def test_electrodes_lie_where_the_system_puts_them(name: str, x: float, y: float) -> None:
    found = place(name)
    assert found is not None
    assert found == pytest.approx((x, y), abs=0.01)


def test_left_and_right_mirror_each_other() -> None:
    for left, right in (("F3", "F4"), ("PO7", "PO8"), ("C1", "C2"), ("FT9", "FT10"), ("Fp1", "Fp2"), ("TP9", "TP10")):
        one, other = place(left), place(right)
        assert one is not None
        assert other is not None
        assert one == pytest.approx((-other[0], other[1]))
        assert one[0] < 0


def test_every_channel_of_the_published_cap_has_a_place_of_its_own() -> None:
    from calibration.datasets.eeg_mixture import CH_NAMES

    found = places(CH_NAMES)
    assert None not in found
    assert len({(round(x, 3), round(y, 3)) for x, y in found}) == len(CH_NAMES)  # type: ignore[misc]
    assert max(np.hypot(*each) for each in found if each) <= 1.0


def test_channels_without_a_place_have_no_map() -> None:
    assert places([f"unit-{k}" for k in range(9)] + ["Cz"]) == [None] * 10


def test_candidates_have_their_labels_whether_these_come_first_or_last() -> None:
    pictures = np.random.default_rng(0).random((3, 1, 4, 4)).astype(np.float32)
    said = {"top": [["b", 0.6], ["a", 0.3], ["c", None]], "event_stamp": 4.5}
    for first in (True, False):
        state = CandidateState()
        state.configure(30)
        if first:
            state.tell(5.0, said, "a")
        state.push(5.0, pictures, NOW)
        if not first:
            assert [candidate.label for candidate in state.candidates] == ["", "", ""]
            state.tell(5.0, said, "a")
        assert [candidate.label for candidate in state.candidates] == ["b", "a", "c"]
        found = [candidate.probability for candidate in state.candidates]
        assert found == pytest.approx([0.6, 0.3, np.nan], nan_ok=True)
        assert state.event_stamp == 4.5
        assert (state.share, state.chance) == (1.0, 0.1)


def test_the_share_is_of_those_whose_truth_is_known() -> None:
    state = CandidateState()
    state.configure(30)
    for truth in ("a", "z", None, "b"):
        state.tell(1.0, {"top": [["b", 0.6], ["a", 0.3]]}, truth)
    assert list(state.judged) == [True, False, True]


@pytest.mark.parametrize("said", [{}, {"top": None}, {"top": "b"}, {"top": [["b"]]}, {"top": [3]}])
def test_a_decision_without_candidates_is_no_error(said: dict[str, object]) -> None:
    state = CandidateState()
    state.tell(1.0, said, "b")
    assert list(state.judged) == []


def test_a_session_is_found_with_its_epochs() -> None:
    endings = {"prediction": "Prediction", "predicted": "Epochs", "recorded": "Epochs", "encoding": "Encoding"}
    endings |= {"candidates": "Candidates"}
    found = [Found(f"lab-{what}", kind, 4, 0.0, "host", f"lab-1/{what}", what) for what, kind in endings.items()]
    state = DiscoveryState()
    roles = state.update(found)
    assert set(roles) == {"prediction", "epochs_predicted", "epochs_recorded", "encoding", "candidates"}
    assert state.signals() == []
