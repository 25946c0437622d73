"""river's detectors, in whatever environment has river: python river_side.py LOSSES.npz

The file holds, as ``v:w``, the losses of window ``w``'s labelled rows in order of time under version ``v``, in units of the first version's
baseline; -1 serves first, ``v`` is trained at the end of window ``v``; and ``due``, the window at whose end each window's labels are known.
Prints, by detector, the windows at whose end it asked for a retraining. A detector begins anew with each version.
"""

import json
import sys

import numpy as np


def main() -> None:
    from river import drift

    losses = np.load(sys.argv[1])
    due = losses["due"]
    made = {"ADWIN": drift.ADWIN, "Page-Hinkley": lambda: drift.PageHinkley(mode="up")}
    print(json.dumps({name: played(losses, due, make) for name, make in made.items()}))  # noqa: T201


def played(losses, due, make):
    served, asked, detector, serving = [], [], make(), -1
    for at in range(len(due) - 1):
        served.append(serving)
        found = False
        for window in np.flatnonzero(due == at):
            if served[window] != serving:  # of the version before: known too late
                continue
            for loss in losses[f"{serving}:{window}"]:
                before = getattr(detector, "estimation", 0.0)
                detector.update(float(loss))
                found = found or (detector.drift_detected and getattr(detector, "estimation", 1.0) >= before)  # ADWIN also sees better
        if found:
            asked.append(at)
            serving, detector = at, make()
    return asked


if __name__ == "__main__":
    main()
