"""Second implementations of our ports, held to the same conformance tests as the real ones."""
