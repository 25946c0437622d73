"""The flows: one page each, a user's sentence each. What they compute stands in ``vigil``, one step each in ``tasks``."""

from vigil.quiet import be_quiet

be_quiet()
