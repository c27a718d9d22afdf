"""The demo: what its cameras see, what its report says."""
