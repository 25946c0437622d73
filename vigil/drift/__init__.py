"""Drift: statistics on profiles, evidence beyond chance, verdicts."""
