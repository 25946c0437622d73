"""``python -m console`` is ``vigil``, where the package is not installed."""

from console.cli import main

main()
