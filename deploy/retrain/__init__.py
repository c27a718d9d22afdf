"""Retraining: a job's requests and samples go to the converter's process; what is better gets published."""
