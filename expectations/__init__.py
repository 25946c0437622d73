"""Data quality with Great Expectations: suites as data, what makes a suite of a specification, and what runs it."""

from vigil.quiet import be_quiet

be_quiet()
