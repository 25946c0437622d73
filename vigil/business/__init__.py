"""What predictions are worth, in money."""
