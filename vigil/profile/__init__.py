"""Profiles: what one scan of some rows keeps, and from which everything else is computed."""
