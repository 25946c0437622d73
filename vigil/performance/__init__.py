"""Performance from labels: weighted metrics with intervals, judged against the version's own baseline."""
