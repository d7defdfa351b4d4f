"""Tables of experiments: scores item by item, with interval and chance, paired differences, means over subjects."""
