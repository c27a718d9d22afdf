"""The fleet side: registry, rollout, retraining, fleet database, broker and the demo.

Nothing is imported here: `python3 -m deploy` has to start on a machine that has the standard library alone.
"""
