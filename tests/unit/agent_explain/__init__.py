"""An episode of drift as text and picture."""
