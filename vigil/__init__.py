"""vigil keeps machine-learning models healthy in production.

This package is the domain: specifications, profiles, statistics, evidence and decisions. It imports no orchestrator,
no registry, no validation or report library; those are connected in ``tasks``.
"""

__version__ = "0.1.0"
