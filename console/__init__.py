"""What people touch: the ``vigil`` command. It parses, calls a flow or reads the store, renders, and returns an exit code."""

from vigil.quiet import be_quiet

be_quiet()
