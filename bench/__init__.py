"""The benchmark: each bar of docs/performance.md as a ratio of two things measured in one run, interleaved."""
