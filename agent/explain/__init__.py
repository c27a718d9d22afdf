"""What an episode of drift was, told and drawn for a person; of a device's last one, or of a replay."""
