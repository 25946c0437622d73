"""Where a model's rows lie: the prediction log, labels and reference rows as Ibis tables."""
