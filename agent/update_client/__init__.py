"""The update client: a short-lived child process that refreshes TUF metadata and downloads bundles.

Nothing but the child itself imports this package: python-tuf and its cryptography take 20 MB that the supervisor must
not pay for. The supervisor starts ``python -m agent.update_client``, writes one job (``job.py``) and reads events
(``report.py``).
"""
