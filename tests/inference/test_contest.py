"""Contests are short, fair and stable; the fastest honest backend wins."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import BackendError, CannotRun, MissingPackage
from streamkit.inference import Graph, Settings
from streamkit.inference.contest import Trial, close_all, contest, passed, race, winner
from streamkit.inference.proof import example
from streamkit.inference.tournament import hold
from tests import small_graphs
from tests.inference.fakes import Stage

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small_graphs.graph(tmp_path)


def of(*names: str, threads: int = 1) -> tuple[tuple[str, Settings], ...]:
    return tuple((name, Settings(threads)) for name in names)


def test_racers_take_turns_at_the_cadence_and_another_begins_each_round(
    graph: Graph, reference: Pair, stage: Stage
) -> None:
    stage.add("a", 2e-3)
    stage.add("b", 7e-3)
    trials = contest(graph, reference, of("a", "b"), cadence=0.04, calls=4)
    timed = stage.calls[-8:]
    assert "".join(name for name, _, _ in timed) == "abbaabba"
    np.testing.assert_allclose(np.diff([when for _, _, when in timed]), 0.02)
    assert [trial.latency for trial in trials] == pytest.approx([2e-3, 7e-3])
    close_all(trials)
    assert stage.left_open == []


def test_slow_networks_end_a_race_in_time_and_everybody_has_had_a_turn(
    graph: Graph, reference: Pair, stage: Stage
) -> None:
    stage.add("a", 0.3)
    stage.add("b", 0.4)
    trials = contest(graph, reference, of("a", "b"), calls=0)
    before = stage.watch.now
    race(trials, example(reference), cadence=0.05, budget=1.0)
    assert stage.watch.now - before < 1.0 + 0.7
    assert [len(trial.latencies) for trial in trials] == [2, 2]


def test_a_backend_that_crashes_is_out_and_the_others_go_on(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("crashes", crash=RuntimeError("bad op"))
    stage.add("lies", wrong=0.1)
    stage.add("works")
    trials = contest(graph, reference, of("crashes", "lies", "works"))
    assert [(trial.failed, bool(trial.why_not)) for trial in trials] == [(True, True), (True, True), (False, False)]
    assert "bad op" in trials[0].why_not
    assert winner(trials).name == "works"


def test_what_is_missing_or_unfit_has_not_failed(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("absent", package="no_such_package")
    stage.add("late", crash=MissingPackage("needs another package"))
    stage.add("unfit", crash=CannotRun("no such operator"))
    trials = contest(graph, reference, of("absent", "late", "unfit"))
    assert [trial.failed for trial in trials] == [False] * 3
    with pytest.raises(CannotRun, match=r"(?s)no backend can run this graph:\n  absent: .*no_such_package.*\n  late: "):
        winner(trials)


def test_an_unknown_contender_is_out_with_its_reason(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("quick")
    trials = contest(graph, reference, of("abacus", "quick"))
    assert "there is no backend 'abacus'" in trials[0].why_not
    assert winner(trials).name == "quick"


def test_when_none_passes_every_reason_is_given(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a", wrong=0.1)
    stage.add("b", crash=BackendError("out of memory"))
    with pytest.raises(BackendError, match=r"(?s)no backend .*\n  a: .*failed its proof.*\n  b: out of memory"):
        winner(contest(graph, reference, of("a", "b")))


def test_an_interrupted_contest_leaves_nothing_open(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a")
    stage.add("b", crash=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        contest(graph, reference, of("a", "b"))
    assert stage.left_open == []


def trial(name: str, seconds: float, threads: int = 1) -> Trial:
    return Trial(name, Settings(threads), latencies=[seconds], backend=object())  # type: ignore[arg-type]


def test_who_is_hardly_faster_does_not_win() -> None:
    assert winner([trial("a", 1.00e-3), trial("b", 0.96e-3)]).name == "a"
    assert winner([trial("a", 1.00e-3), trial("b", 0.94e-3)]).name == "b"
    assert winner([trial("a", 0.96e-3, threads=2), trial("a", 1.00e-3)]).settings.threads == 1


def test_facts_are_json(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("quick", 1e-3)
    stage.add("slow", 2e-3)
    stage.add("wrong", wrong=0.1)
    facts = [trial.facts() for trial in contest(graph, reference, of("quick", "slow", "wrong"))]
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert [row["latency_ms"] and round(row["latency_ms"]["p50"], 6) for row in facts] == [1.0, 2.0, None]
    assert [row["passed"] for row in facts] == [True, True, False]


# The tournament: backends, then threads


def held(graph: Graph, reference: Pair, stage: Stage, counts: tuple[int, ...] = (1, 2, 4)) -> str:
    trials: list[Trial] = []
    best = hold(trials, graph, reference, of(*stage.kinds), counts, 0.05)
    close_all(trials, keep=best)
    assert [(best.name, best.settings)] == stage.left_open
    best.opened.close()
    return f"{best.name} {best.settings.threads}"


def test_more_threads_are_taken_as_long_as_they_win(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("scales", lambda threads: 1e-2 / threads)
    assert held(graph, reference, stage) == "scales 4"


def test_the_search_stops_where_more_threads_do_not_win(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("saturates", lambda threads: 1e-2 / min(threads, 2) + 1e-4 * threads)
    assert held(graph, reference, stage, (1, 2, 4, 8, 16)) == "saturates 2"
    assert stage.tried() == [("saturates", 1), ("saturates", 2), ("saturates", 4)]


def test_threads_that_gain_little_are_not_taken(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a", lambda threads: 1e-2 * 0.92 ** (threads - 1))
    assert held(graph, reference, stage) == "a 1"


def test_a_very_quick_network_is_not_tried_with_more_threads(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a", lambda threads: 5e-5 / threads)
    assert held(graph, reference, stage) == "a 1"
    assert stage.tried() == [("a", 1)]


def test_only_the_leaders_are_tried_with_more_threads(graph: Graph, reference: Pair, stage: Stage) -> None:
    for name, seconds in (("a", 3e-3), ("b", 1e-3), ("c", 2e-3), ("d", 5e-2)):
        stage.add(name, seconds)
    held(graph, reference, stage)
    assert [name for name, threads in stage.tried() if threads == 2] == ["b", "c"]


def test_the_second_may_win_with_more_threads(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("single", 1e-3)
    stage.add("parallel", lambda threads: 1.5e-3 / threads)
    assert held(graph, reference, stage, (1, 2)) == "parallel 2"


def test_who_could_not_overtake_with_all_cores_is_not_tried(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a", 1e-3)
    stage.add("b", 2.5e-3)
    held(graph, reference, stage, (1, 2))
    assert ("b", 2) not in stage.tried()


@pytest.mark.parametrize("cores", [2, 64])
@pytest.mark.parametrize("seconds", [2e-4, 2e-2])
def test_a_tournament_lasts_a_second_and_a_half_beside_the_proofs(
    graph: Graph, reference: Pair, stage: Stage, cores: int, seconds: float
) -> None:
    for name in "abcde":
        stage.add(name, lambda threads: seconds / threads)
    counts = tuple(1 << i for i in range(cores.bit_length()))
    held(graph, reference, stage, counts)
    proofs = sum(4 * seconds / threads for _, threads in stage.tried())
    assert stage.watch.now - proofs < 1.5 + 0.35  # a race may be over by one round


@pytest.mark.parametrize("seed", range(20))
def test_a_choice_is_the_same_again_whatever_the_jitter(graph: Graph, reference: Pair, stage: Stage, seed: int) -> None:
    jitter = random.Random(seed)
    stage.add("a", lambda threads: 1.00e-3 * jitter.uniform(0.98, 1.02))
    stage.add("b", lambda threads: 0.99e-3 * jitter.uniform(0.98, 1.02))
    stage.add("c", lambda threads: 2e-3 * jitter.uniform(0.98, 1.02))
    assert held(graph, reference, stage) == "a 1"


def test_passed_are_those_that_are_open(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a")
    stage.add("b", wrong=1.0)
    trials = contest(graph, reference, of("a", "b"))
    assert [trial.name for trial in passed(trials)] == ["a"]
    close_all(trials)
    assert passed(trials) == []
