"""The agent as a program: real supervisor, real worker, real broker, real registry."""
