"""The only signal processing in the repository: causal stages, and windows cut from what they give."""

from streamkit.preprocess.align import Aligner, align_whole
from streamkit.preprocess.config import PreprocessConfig
from streamkit.preprocess.cut import windows_of
from streamkit.preprocess.fit import fit_preprocess
from streamkit.preprocess.preprocessor import Preprocessor
from streamkit.preprocess.side import SideStream, aligned_spec
from streamkit.preprocess.window import WindowConfig
from streamkit.preprocess.windower import Windower

__all__ = [
    "Aligner",
    "PreprocessConfig",
    "Preprocessor",
    "SideStream",
    "WindowConfig",
    "Windower",
    "align_whole",
    "aligned_spec",
    "fit_preprocess",
    "windows_of",
]
