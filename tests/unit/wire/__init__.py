"""The MQTT contract and the signed channel document."""
