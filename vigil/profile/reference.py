"""The reference of a version: layout and profile of its training rows, with the score's part from rows it was not fitted on.

A model's scores of the rows that it was fitted on are more extreme than those it will give; held-out rows tell better what to expect.
"""

from __future__ import annotations

from dataclasses import replace

import ibis

from vigil.measurement import WHOLE
from vigil.profile.layout import Layout, layout_of
from vigil.profile.pairs import with_pairs
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.spec.model import ModelSpec


def reference_of(training: ibis.Table, held_out: ibis.Table, spec: ModelSpec) -> tuple[Layout, Profile]:
    """Lay out and profile a version's reference.

    Args:
        training: the rows that it was trained on, features only (a score column is not looked at).
        held_out: rows that it was not fitted on, with the features and its score.
    """
    score = spec.columns.score
    features = training.select(*spec.features)
    layout, scored = with_pairs(layout_of(features, spec), features, spec), layout_of(held_out, spec)
    layout = replace(
        layout, numeric={**layout.numeric, score: scored.numeric[score]}, scales={**layout.scales, score: scored.scales[score]}
    )
    profile = profile_rows(features, spec, layout)[(WHOLE, WHOLE)]
    scores = profile_rows(held_out, spec, layout)[(WHOLE, WHOLE)]
    return layout, replace(profile, numeric={**profile.numeric, score: scores.numeric[score]})
