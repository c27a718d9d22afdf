"""The local socket: how somebody on the device asks the running agent, and tells it something."""
