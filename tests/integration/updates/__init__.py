"""Registry and update client against each other over HTTP."""
