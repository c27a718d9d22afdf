"""Tests of the entry to the tests and of the benchmarks harness."""
