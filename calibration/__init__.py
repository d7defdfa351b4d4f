"""Calibration: recordings and a recipe in, a decoder with its contract and its scores out."""

from calibration.calibrate import CalibrationResult, calibrate
from calibration.evaluate import Evaluation, evaluate
from calibration.recipe import Recipe, load_recipe

__all__ = ["CalibrationResult", "Evaluation", "Recipe", "calibrate", "evaluate", "load_recipe"]
