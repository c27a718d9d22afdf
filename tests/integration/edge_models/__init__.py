"""The contract against other people's software."""
