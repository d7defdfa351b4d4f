"""Training: one loop, checkpoints it can be taken up from, and sweeps over many processes or a cluster.

`loop.fit` trains any network on arrays; `fan_out.fan_out` runs folds, subjects and seeds side by side.
"""
