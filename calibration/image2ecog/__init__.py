"""Image to ECoG: what electrodes on the cortex will record after an image, predicted from its pixels.

`fit.fit_image2ecog` trains on a `material.Material`; `experiments.EXPERIMENTS` are the paper's. docs/image2ecog.md
tells the whole.
"""
