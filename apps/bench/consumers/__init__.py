"""Programs that do the latency job, each the way its own toolkit's pages show; the table of them is `table`."""
