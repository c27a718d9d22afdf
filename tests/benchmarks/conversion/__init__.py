"""The parts of the benchmark `converter`: tasks, what others have published, and golden outputs on every runtime."""
