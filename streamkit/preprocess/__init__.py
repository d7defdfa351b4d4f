"""The only signal processing in the repository: causal stages, and windows cut from what they give."""

from streamkit.preprocess.config import PreprocessConfig
from streamkit.preprocess.cut import windows_of
from streamkit.preprocess.fit import fit_preprocess
from streamkit.preprocess.preprocessor import Preprocessor
from streamkit.preprocess.window import WindowConfig
from streamkit.preprocess.windower import Windower

__all__ = ["PreprocessConfig", "Preprocessor", "WindowConfig", "Windower", "fit_preprocess", "windows_of"]
