"""One look at one window: what is there, as of when, and all that is measured of it."""
