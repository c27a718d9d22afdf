"""The registry on a disk, without network."""
