"""When to retrain, on streams whose course is known: vigil's decisions beside the clock, error detectors, drift alarms and hindsight."""
