"""Small files that tests read, and the script that made them."""
