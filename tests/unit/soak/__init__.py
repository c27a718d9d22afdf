"""What the soaks measure with."""
