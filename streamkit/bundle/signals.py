"""Which signals of a recording a contract means: the primary one, then one for each side stream."""

from __future__ import annotations

from streamkit.bundle.contract import Contract
from streamkit.lsl.contract import differences, signal_of
from streamkit.preprocess import SideStream
from streamkit.recording import Recording, Signal


def contract_signals(
    contract: Contract, recording: Recording, name: str = ""
) -> tuple[Signal, tuple[Signal | None, ...]]:
    """Find every signal that a bundle reads.

    Parameters
    ----------
    name
        Of the primary signal, where several fit.

    Returns
    -------
    primary, sides
        The primary signal, and one for each stream of ``contract.also``; None for an optional one that was not
        recorded. They may have more channels than the contract needs (`streamkit.lsl.contract.channel_picks`).

    Raises
    ------
    ContractMismatch
        When one does not fit; with every difference.
    RecordingError
        When the recording has too few signals, or a channel of one holds no finite value.
    """
    primary = signal_of(recording, contract.stream, name or contract.stream.name)
    taken, sides = [primary], list[Signal | None]()
    for side in contract.also:
        signal = _side_signal(recording, side, taken)
        taken += [signal] if signal else []
        sides.append(signal)
    return primary, tuple(sides)


def _side_signal(recording: Recording, side: SideStream, taken: list[Signal]) -> Signal | None:
    free = [signal for signal in recording.signals if not any(signal is other for other in taken)]
    if side.optional and all(differences(side.stream, signal.spec) for signal in free):
        return None
    return signal_of(recording, side.stream, side.stream.name, taken)
