"""The MQTT broker: an embedded one for the demo, tests and small sites, and a configuration for Mosquitto."""
