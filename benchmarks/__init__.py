"""Measured side by side, in one run, as ratios. Never a test: a time asserts nothing."""
