"""Things that tests of several areas need, made from the small files beside this one and in tests/assets."""
