"""The update client, without network."""
