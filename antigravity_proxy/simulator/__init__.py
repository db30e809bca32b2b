"""A simulated Google: for the demo, the tests and the benchmarks; the daemon never imports it."""
