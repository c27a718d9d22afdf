"""The contract: what a model on the edge is, and how it is run. Standard library and numpy only."""
