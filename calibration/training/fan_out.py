"""Many tasks side by side: folds, subjects, seeds; on this machine with joblib, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calibration.progress import Progress
from streamkit.errors import ConfigError, StreamkitError, require
from streamkit.inference.machine import usable_cores

UNORDERED = "generator_unordered"
_turn = threading.RLock()
"""One task at a time in a process: torch's seed and number of threads belong to all of it."""


@dataclass(frozen=True)
class Task:
    """One call: the name that messages use, and the keyword arguments."""

    name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a task returned.

    Attributes
    ----------
    name
        Of the task.
    seconds
        It took, where it ran.
    attempts
        How often it was started before it came through, as far as is known: a worker that ends takes all its tasks
        along.
    """

    name: str
    value: Any
    seconds: float
    attempts: int = 1


@dataclass(frozen=True)
class Outcome:
    """What comes back from a worker: a value, or the error in words and its kind."""

    seconds: float
    value: Any = None
    error: str = ""
    trace: str = ""
    kind: type[StreamkitError] = StreamkitError


Run = Callable[[Sequence[int]], Iterator[tuple[int, Outcome]]]
"""Runs tasks by number and yields what comes back, in any order; ends early when workers were lost."""


def fan_out(
    function: Callable[..., Any],
    tasks: Sequence[Task],
    scheduler: str = "local",
    workers: int | None = None,
    retries: int = 2,
    progress: Progress | None = None,
    threads: int | None = 1,
    what: str = "tasks",
) -> list[Result]:
    """Call `function` once for every task, side by side.

    Each process runs one task at a time with `threads` threads, so that a seeded task returns the same bits wherever it
    runs, as long as the processors are alike.

    Parameters
    ----------
    function
        Takes the keyword arguments of a task. It travels to the workers with them, so paths and settings go better
        than large arrays; on a cluster the same version of streamkit must be installed.
    scheduler
        ``"local"``, or the address of a Dask scheduler, such as ``"tcp://127.0.0.1:8786"``.
    workers
        Processes on this machine; None for one per core. A cluster has as many as it has.
    retries
        How often in a row workers may be lost while no task comes through.
    threads
        Of torch, in each task; None for as many as it has.
    what
        What the tasks are called beside the bar.

    Returns
    -------
    list
        In the order of the tasks.

    Raises
    ------
    StreamkitError
        When a task fails, or loses its worker again and again; names it.
    ConfigError
        When two tasks have one name, or there is no such cluster.
    """
    check_names(tasks)
    progress = progress or Progress()
    calls = [(function, dict(task.kwargs), threads) for task in tasks]
    if scheduler == "local":
        run = local_run(calls, min(workers or usable_cores(), max(1, len(tasks))))
        return gather(tasks, run, retries, progress, what)
    from calibration.training.cluster import cluster_run

    with cluster_run(calls, [task.name for task in tasks], scheduler) as run:
        return gather(tasks, run, retries, progress, what)


def gather(tasks: Sequence[Task], run: Run, retries: int, progress: Progress, what: str = "tasks") -> list[Result]:
    """Collect all results; what was lost with a worker is run again."""
    results: dict[int, Result] = {}
    losses = attempt = 0
    progress.begin(what, len(tasks))
    while len(results) < len(tasks):
        before, attempt = len(results), attempt + 1
        with contextlib.closing(run([number for number in range(len(tasks)) if number not in results])) as outcomes:
            for number, outcome in outcomes:
                results[number] = result_of(tasks[number], outcome, attempt)
                progress.advance(tasks[number].name)
        losses = 0 if len(results) > before else losses + 1
        if len(results) < len(tasks) and losses > retries:
            left = [task.name for number, task in enumerate(tasks) if number not in results]
            raise StreamkitError(
                f"{some(left)}: the process that worked on it ended by itself {losses} times, as when memory is short. "
                "Give it more, or run fewer tasks at once with fewer workers"
            )
    return [results[number] for number in range(len(tasks))]


def result_of(task: Task, outcome: Outcome, attempt: int) -> Result:
    """Return the result of a task, or raise what it failed with."""
    if outcome.error:
        error = outcome.kind(f"task {task.name!r} failed: {outcome.error}")
        error.add_note(outcome.trace)
        raise error
    return Result(task.name, outcome.value, outcome.seconds, attempt)


def call(function: Callable[..., Any], kwargs: dict[str, Any], threads: int | None) -> Outcome:
    """Run one task in this process; what it raises comes back in words."""
    with _turn:
        begin = time.monotonic()
        before = limit_threads(threads)
        try:
            return Outcome(value=function(**kwargs), seconds=time.monotonic() - begin)
        except StreamkitError as error:
            return Outcome(time.monotonic() - begin, error=str(error), trace=traceback.format_exc(), kind=type(error))
        except Exception as error:  # whatever it is, it must name its task
            words = f"{type(error).__name__}: {error}"
            return Outcome(time.monotonic() - begin, error=words, trace=traceback.format_exc())
        finally:
            limit_threads(before)


def limit_threads(threads: int | None) -> int | None:
    """Give torch so many threads, none for no change; returns how many it had."""
    if threads is None:
        return None
    torch = require("torch", "train", "training")
    before: int = torch.get_num_threads()
    torch.set_num_threads(threads)
    return before


def local_run(calls: Sequence[tuple[Any, ...]], workers: int) -> Run:
    """Run tasks in processes of this machine."""
    joblib = require("joblib", "train", "running tasks side by side")
    lost = require("joblib.externals.loky.process_executor", "train", "running tasks side by side")

    def run(numbers: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        # never one worker: joblib would run the task that ended its worker in this process
        parallel = joblib.Parallel(workers, backend="loky", batch_size=1, return_as=UNORDERED)
        outcomes = parallel(joblib.delayed(numbered)(number, *calls[number]) for number in numbers)
        try:
            for each in outcomes:  # noqa: UP028 - `yield from` would close joblib's generator outside of `finally`
                yield each
        except lost.BrokenProcessPool:
            return  # a worker was killed, and joblib gave up all that was under way
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that what was not asked for any more is cancelled
                outcomes.close()

    def alone(numbers: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        for number in numbers:
            yield numbered(number, *calls[number])

    return run if workers > 1 else alone


def numbered(number: int, *arguments: Any) -> tuple[int, Outcome]:
    """Run a task and say which it was."""
    return number, call(*arguments)


def check_names(tasks: Sequence[Task]) -> None:
    """Refuse tasks of the same name: nobody could tell which one failed."""
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"several tasks are called {twice[0]!r}: every task needs a name of its own")


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"task{'s' * (len(names) > 1)} {', '.join(map(repr, names[:4]))}{more}"
