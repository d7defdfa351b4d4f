"""Decode a stream live: here a recording is replayed in this process, an amplifier would do as well.

    python examples/04_decode_live.py BUNDLE RECORDING [--wait] [--speed 4] [--name streamkit]

Every prediction is printed and published on LSL. With ``--wait`` decoding begins once somebody reads the predictions
(run example 05 beside it). `streamkit replay` and `streamkit live` are the two halves from the command line.
"""

import argparse
import threading
from contextlib import suppress

from streamkit import Prediction, Session, load_bundle, read_recording
from streamkit.errors import StreamLost
from streamkit.replay import Replay


def main() -> None:
    """Replay and decode."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle")
    parser.add_argument("recording")
    parser.add_argument("--speed", type=float, default=4.0)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--name", default="streamkit")
    args = parser.parse_args()

    bundle, recording = load_bundle(args.bundle), read_recording(args.recording)
    labels = bundle.contract.output.labels

    def show(prediction: Prediction) -> None:
        """Called on the decoding thread: be quick."""
        best = labels[prediction.values.argmax()] if labels else f"image {prediction.values.shape}"
        print(prediction.event.label if prediction.event else prediction.last, "->", best, flush=True)

    replay = Replay(recording, speed=args.speed, wait_for_consumers=120.0)
    publisher = threading.Thread(target=replay.run, daemon=True)
    publisher.start()
    replay.opened.wait()
    session = Session(
        bundle,
        stream=f"source_id={replay.source_ids[recording.signal().spec.name]}",
        name=args.name,
        wait_for_clients=args.wait,
        on_prediction=show,
    )
    session.start()
    while publisher.is_alive() and not session.join(0.2):  # raises what ended the session, if anything did
        pass
    replay.stop()
    session.stop(drain=True)
    with suppress(StreamLost):  # the replay is over, and its stream with it
        session.join()
    summary = session.ledger.summary()
    print(f"{summary['n']} predictions, sample to prediction {summary['latency_ms']['p50']:.2f} ms (median)")


if __name__ == "__main__":
    main()
