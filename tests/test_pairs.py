"""The features of a pair, entry by entry."""

from __future__ import annotations

import numpy as np

from gpteval.features.pairs import BLOCKS, pair_features


def test_a_pair_is_both_vectors_their_distance_and_their_product_entry_by_entry() -> None:
    u, v = [1.0, -2.0, 0.5], [3.0, 4.0, -1.0]
    by_hand = [1.0, -2.0, 0.5, 3.0, 4.0, -1.0, 2.0, 6.0, 1.5, 3.0, -8.0, -0.5]
    assert pair_features(np.array([u]), np.array([v])).tolist() == [by_hand]


def test_rows_do_not_mix_and_half_the_features_do_not_tell_who_is_first() -> None:
    draw = np.random.default_rng(0)
    u, v = draw.normal(size=(2, 5, 3)).astype(np.float32)
    rows = pair_features(u, v)
    assert (rows.shape, rows.dtype) == ((5, BLOCKS * 3), np.float32)
    assert (rows[2:3] == pair_features(u[2:3], v[2:3])).all()
    assert (rows[:, 6:] == pair_features(v, u)[:, 6:]).all()
