"""The C kernel against the reference; skipped, with a reason, where no C compiler is."""
