# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from hf_attention.faithfulness.removal import (
    FRACTIONS,
    area,
    comprehensiveness,
    leave_one_out,
    rank_correlation,
    rank_units,
    removal_curves,
    salience_coefficient,
    sufficiency,
    sum_cells,
    violations,
)


class Bag:
    """A linear bag of units: a unit's effect on an output is its weight (U, O), whatever is there with it."""

    def __init__(self, effects, cells=None):
        self.effects = np.array(effects, dtype=float)
        self.num_outputs = self.effects.shape[1]
        self.cells = np.arange(len(self.effects)) if cells is None else np.array(cells)

    def predict(self, keep, baseline="zero"):
        return keep @ self.effects


EFFECTS = np.array([0.0, 0.3, -0.1, 0.25, 0.05, 0.1, 0.02, 0.2, 0.01, -0.02])
bag = Bag(EFFECTS[:, None])


def test_leave_one_out_of_a_bag_is_its_weights():
    two = Bag(np.stack([EFFECTS, EFFECTS[::-1]], axis=1))
    np.testing.assert_allclose(leave_one_out(two, "zero"), [EFFECTS, EFFECTS[::-1]], atol=1e-12)


def test_a_cell_is_removed_with_all_its_units():
    cells = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    np.testing.assert_allclose(
        leave_one_out(Bag(EFFECTS[:, None], cells), "zero")[0], EFFECTS.reshape(5, 2).sum(axis=1)
    )
    np.testing.assert_allclose(sum_cells(EFFECTS[None], np.array(cells))[0], EFFECTS.reshape(5, 2).sum(axis=1))


def test_curves_are_those_of_a_loop():
    deletion, insertion = removal_curves(bag.predict, EFFECTS[None])
    ordered = np.sort(EFFECTS)[::-1]
    for index, fraction in enumerate(FRACTIONS):
        count = int(np.ceil(fraction * 10))
        assert deletion[0, index] == pytest.approx(ordered[count:].sum())
        assert insertion[0, index] == pytest.approx(ordered[:count].sum())


def test_each_output_has_its_own_order():
    two = Bag(np.stack([EFFECTS, EFFECTS[::-1]], axis=1))
    deletion, _ = removal_curves(two.predict, np.stack([EFFECTS, EFFECTS[::-1]]))
    np.testing.assert_allclose(deletion[0], deletion[1])
    np.testing.assert_allclose(deletion[0], removal_curves(bag.predict, EFFECTS[None])[0][0])


def test_comprehensiveness_and_sufficiency_by_hand():
    deletion, insertion = removal_curves(bag.predict, EFFECTS[None])
    # 1, 1, 1, 2 and 5 of ten units: 0.3 three times, 0.55, 0.9
    removed = (3 * 0.3 + 0.55 + 0.9) / 5
    assert comprehensiveness(deletion)[0] == pytest.approx(removed)
    assert sufficiency(insertion)[0] == pytest.approx(EFFECTS.sum() - removed)


def test_no_order_of_a_bag_beats_that_of_its_effects():
    best = removal_curves(bag.predict, EFFECTS[None])
    generator = np.random.default_rng(0)
    for _ in range(20):
        deletion, insertion = removal_curves(bag.predict, generator.random((1, 10)))
        assert area(insertion - deletion)[0] <= area(best[1] - best[0])[0] + 1e-12
        assert comprehensiveness(deletion)[0] <= comprehensiveness(best[0])[0] + 1e-12


def test_area_of_a_straight_line():
    assert area(np.array([FRACTIONS]))[0] == pytest.approx(0.5)


def test_salience_coefficient_is_1_for_the_effects_and_minus_1_for_their_opposite():
    assert salience_coefficient(bag.predict, EFFECTS[None])[0] == pytest.approx(1)
    assert salience_coefficient(bag.predict, -EFFECTS[None])[0] == pytest.approx(-1)
    assert salience_coefficient(bag.predict, np.ones((1, 10)))[0] == 0


def test_salience_coefficient_by_hand():
    three = Bag([[1.0], [3.0], [2.0]])
    # effects in the order of the weights: 1, 3, 2. Two pairs are wrong, with gaps of 1 and 4, and one is right, 3
    assert salience_coefficient(three.predict, np.array([[5.0, 4.0, 1.0]]))[0] == pytest.approx((3 - 1 - 4) / 8)


def test_violation_is_an_effect_of_the_opposite_sign():
    effects = np.array([[0.5, -0.2], [0.5, -0.2], [0.5, -0.2]])
    weights = np.array([[1.0, 0.1], [0.1, 1.0], [0.1, -1.0]])
    assert violations(weights, effects).tolist() == [0, 1, 0]


def test_equal_weights_have_a_random_order():
    ranks = rank_units(np.zeros((200, 5)), seed=0)
    assert (np.sort(ranks, axis=1) == np.arange(5)).all()
    assert 1.5 < ranks[:, 0].mean() < 2.5
    assert rank_units(np.array([[1.0, 3.0, 2.0]])).tolist() == [[2, 0, 1]]


def test_rank_correlation():
    rows = np.array([[1.0, 2, 3, 10], [1, 2, 3, 10], [1, 1, 1, 1], [1, 1, 2, 3]])
    others = np.array([[0.0, 1, 5, 6], [9, 8, 7, 1], [1, 2, 3, 4], [1, 2, 3, 3]])
    # the last: ranks 0.5, 0.5, 2, 3 and 0, 1, 2.5, 2.5
    expected = np.corrcoef([0.5, 0.5, 2, 3], [0, 1, 2.5, 2.5])[0, 1]
    np.testing.assert_allclose(rank_correlation(rows, others), [1, -1, 0, expected])
