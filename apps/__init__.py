"""The command line, the window, the benchmarks and the demo."""
