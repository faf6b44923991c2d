"""The calibration table: more people together never get a smaller radius."""

import numpy as np

from headway.evaluate.coverage import GROUPS, LEVELS, Scores, table


def test_the_radius_never_shrinks_with_the_level_or_with_the_number_of_people():
    """Hard to foresee alone, easy in pairs: without the rule the row of two would be the lower one."""
    random, alone, pairs = np.random.default_rng(0), 100, 100
    score = np.concatenate([random.uniform(1.0, 2.0, alone), random.uniform(0.0, 0.2, 2 * pairs)])
    moment = np.concatenate([np.arange(alone), alone + np.arange(2 * pairs) // 2])
    found = table(Scores(score, np.arange(len(score)), moment, random.normal(size=(len(score), 2))))
    assert found.shape == (len(GROUPS), len(LEVELS))
    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()
