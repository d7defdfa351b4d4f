"""Read a live session's predictions with nothing but pylsl: in PsychoPy, on another computer, in your own program.

    python examples/05_read_predictions_with_pylsl.py [--name streamkit] [--n 10]

Start `streamkit live BUNDLE` (or example 04) beside it. Nothing of streamkit is imported here.
"""

import argparse
import json

import pylsl


def described(info: pylsl.StreamInfo) -> dict[str, str]:
    """The pairs below <streamkit> in a stream's description."""
    pairs, child = {}, info.desc().child("streamkit").first_child()
    while not child.empty():
        pairs[child.name()] = child.child_value()
        child = child.next_sibling()
    return pairs


def main() -> None:
    """Connect and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="streamkit", help="name of the session")
    parser.add_argument("--n", type=int, default=10, help="predictions to read")
    args = parser.parse_args()

    inlets = {}
    for what in ("decisions", "prediction"):
        found = pylsl.resolve_byprop("name", f"{args.name}-{what}", 1, timeout=60.0)
        if not found:
            raise SystemExit(f"no stream {args.name}-{what} was found: is the session running?")
        inlets[what] = pylsl.StreamInlet(found[0])
        inlets[what].open_stream(10.0)

    facts = described(inlets["prediction"].info())
    print(f"{facts['kind']} over {facts['labels']} from bundle {facts['bundle']} on {facts['backend']}")
    for _ in range(args.n):
        values, stamp = inlets["prediction"].pull_sample(60.0)
        text, same = inlets["decisions"].pull_sample(10.0)
        said = json.loads(text[0])
        if stamp != same:
            raise SystemExit("a decision carries the stamp of its prediction; some were missed")
        shown = ", ".join(f"{value:.2f}" for value in values[:4])
        print(f"{stamp:.3f} s, event {said['event']}: {said['label']} ({shown}{', …' if len(values) > 4 else ''})")


if __name__ == "__main__":
    main()
