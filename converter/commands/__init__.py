"""The verbs of driftline-convert; each module has configure(parser) and run(args)."""
