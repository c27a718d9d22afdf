"""One suite for each port: every implementation, real or fake, has to pass it."""
