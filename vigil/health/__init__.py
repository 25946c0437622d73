"""System health, measured from the prediction log itself."""
