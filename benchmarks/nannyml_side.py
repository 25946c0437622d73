"""NannyML's side, in its own environment (older numpy and pandas): python nannyml_side.py FEW FEW REFERENCE CURRENT COLUMN...

The first two files, of few rows, are compared before the clock starts.
"""

import json
import resource
import sys
import time


def main() -> None:
    *few, reference, current = sys.argv[1:5]
    _compare(*few, sys.argv[5:])
    begun, used = time.perf_counter(), time.process_time()
    _compare(reference, current, sys.argv[5:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - used, "peak_mb": peak}))  # noqa: T201


def _compare(reference: str, current: str, columns: list[str]) -> None:
    import nannyml as nml
    import pandas as pd

    before, after = (pd.read_parquet(path, columns=columns) for path in (reference, current))
    size = max(len(after) // 10, 1)
    calculator = nml.UnivariateDriftCalculator(
        column_names=columns, continuous_methods=["jensen_shannon"], categorical_methods=["jensen_shannon"], chunk_size=size
    )
    calculator.fit(before)
    calculator.calculate(after).to_df()


if __name__ == "__main__":
    main()
