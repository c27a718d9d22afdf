"""The inference worker: a process that may die without taking MQTT, storage and the update machine with it."""
