"""The fleet database and what keeps it true: MQTT ingest, desired models, the controller daemon."""
