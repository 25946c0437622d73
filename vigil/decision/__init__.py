"""From stored measurements to one decision with its reasons."""
