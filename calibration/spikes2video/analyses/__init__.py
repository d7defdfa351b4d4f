"""What the counts themselves and their projections are like, and the tests that the paper reports."""
