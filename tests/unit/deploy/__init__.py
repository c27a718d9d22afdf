"""The fleet side: command line, broker, fleet database, rollouts, retraining."""
