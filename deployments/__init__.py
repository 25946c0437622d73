"""Schedules, work pools and parameters, and what serves them on one machine (``vigil up``)."""

from vigil.quiet import be_quiet

be_quiet()
