"""The verbs of `driftline-fleet`, one module each; deploy/cli.py says what such a module offers."""
