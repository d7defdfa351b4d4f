from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_fabric_is_opened_without_torchmetrics_which_can_still_be_imported() -> None:
    pytest.importorskip("torchmetrics", reason="not installed")
    code = (
        "import os, sys; from calibration.training.devices import fabric_for; from calibration.training.settings "
        "import LoopSettings; fabric_for(LoopSettings(accelerator='cpu')); print('torchmetrics' in sys.modules, "
        "'transformers' in sys.modules, 'PYTORCH_NVML_BASED_CUDA_CHECK' in os.environ)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"] * 3
