"""verify: the live answer against the offline answer, prediction by prediction.

The offline answer comes from the file alone, in one pass, with windows cut by plain slicing. The live
answer comes from whoever ran the session: `over_memory` here (a virtual clock, chunks of random
sizes), or real LSL streams collected by the caller. Neither knows the other's figures.
"""

from streamkit.verify.answer import Answer
from streamkit.verify.compare import Verdict, compare
from streamkit.verify.epochs import epoch_shape, epochs_answer, offline_epochs
from streamkit.verify.memory import Feed, SideChunk, VirtualClock, feed, over_memory, predictions_over_memory
from streamkit.verify.offline import offline_answer, offline_in_its_own_process, offline_samples

__all__ = [
    "Answer",
    "Feed",
    "SideChunk",
    "Verdict",
    "VirtualClock",
    "compare",
    "epoch_shape",
    "epochs_answer",
    "feed",
    "offline_answer",
    "offline_epochs",
    "offline_in_its_own_process",
    "offline_samples",
    "over_memory",
    "predictions_over_memory",
]
