"""Prefect tasks: each module connects the domain to one outside system or does one step of a flow."""

from vigil.quiet import be_quiet

be_quiet()
