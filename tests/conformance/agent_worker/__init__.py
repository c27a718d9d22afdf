"""Rules that every source and every drift detector keeps."""
