"""What an empty part of the window says: what was looked for, what there is, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from apps.view.state.view import ViewState

MOST_LISTED = 10


@dataclass(frozen=True)
class Lesson:
    """One empty state in words.

    Attributes
    ----------
    headline
        What is the matter.
    said
        Sentences.
    listed
        Lines of a list, with `list_title` above them.
    commands
        What to type, each with what it does.
    warning
        True when something is wrong, rather than merely absent.
    """

    headline: str
    said: tuple[str, ...] = ()
    list_title: str = ""
    listed: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    warning: bool = False


def lesson(state: ViewState) -> Lesson | None:
    """What to teach now; None when a session is there and nothing is wrong with it."""
    if not state.anything:
        return no_stream(state)
    if state.health.refused:
        return refused(state)
    if state.health.state == "failed":
        return failed(state)
    if not state.output and not state.health.state:
        return no_session(state)
    if not state.output:
        return starting(state)
    return None


def no_stream(state: ViewState) -> Lesson:
    """Nothing that could be drawn is in reach."""
    found = [stream.line() for stream in state.discovery.found]
    more = [f"… and {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
    return Lesson(
        headline="No signal yet",
        said=(f"Looking for {state.discovery.searched()}, on every computer that LSL can reach.",),
        list_title="Found on the network" if found else "Found on the network: nothing",
        listed=tuple(found[:MOST_LISTED] + more),
        commands=(
            ("streamkit replay RECORDING", "plays a recording as if it were live"),
            ("streamkit view --from RECORDING", "does that and opens this window"),
            ("streamkit streams", "lists every stream in reach"),
            ("streamkit doctor", "checks whether LSL gets through this network"),
        ),
    )


def no_session(state: ViewState) -> Lesson:
    """There is a signal and nobody decodes it."""
    spec = state.signals.spec
    query = f" --stream name={spec.name}" if spec else ""
    wanted = f"Looking for a live session named {state.discovery.session!r}. " if state.discovery.session else ""
    return Lesson(
        headline="No decoder is running",
        said=(f"{wanted}The signal is here; what a model makes of it appears as soon as a session starts.",),
        commands=(
            (f"streamkit live BUNDLE{query}", "decodes this stream"),
            ("streamkit calibrate RECIPE --data PATH --out BUNDLE", "makes a bundle from recordings"),
            ("streamkit demo", "shows the whole way on simulated data"),
        ),
    )


def refused(state: ViewState) -> Lesson:
    """The stream is not what the bundle was calibrated on."""
    health = state.health
    return Lesson(
        headline="The session refused this stream",
        said=(health.headline,) if health.headline else (),
        list_title="Differences",
        listed=tuple(health.differences),
        commands=(
            ("streamkit streams", "lists every stream with its channels, rate and unit"),
            ("streamkit live BUNDLE --stream name=…", "decodes another stream"),
        ),
        warning=True,
    )


def failed(state: ViewState) -> Lesson:
    """The session ended with an error."""
    health = state.health
    return Lesson(
        headline="The session failed",
        said=(health.headline,) if health.headline else (),
        listed=tuple(health.differences),
        commands=(("streamkit doctor", "checks this machine"),),
        warning=True,
    )


def starting(state: ViewState) -> Lesson:
    """A session is there and has not predicted anything yet."""
    return Lesson(
        headline="The session is getting ready",
        said=(state.health.headline or f"It says: {state.health.state}.",),
    )
