"""The steps of a build, each in a module of its own; ``converter.build`` knows their order."""
