"""Alerts and incidents: which breaches matter, which are one incident, what is suspected, who is told. Pure."""
