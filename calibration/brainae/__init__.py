"""BrainAE: one space for brain responses and images, with a way back from it to the responses.

`fit.fit_brainae` trains on `pairs.Pairs`; `experiments.EXPERIMENTS` are the paper's. docs/brainae.md tells the whole.
"""
