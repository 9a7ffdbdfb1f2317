"""What the step refuses before it trains, and what it reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.shared.errors import ContractError, InputError
from components.training.data.examples import read_plan
from components.training.data.images import StreamedPixels
from components.training.data.inputs import open_images, plan_columns, read_inputs
from tests.artifacts import example_rows, small_preset, write_examples
from tests.training.support import LABELS, write_inputs, write_plan

PRESET = small_preset()


def rows_of(**splits):
    return example_rows(
        {split: dict.fromkeys(labels, 3) for split, labels in splits.items()}, LABELS
    )


def test_rows_come_decoded_with_their_labels_and_their_place_in_the_plan(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS[:2], test=LABELS)
    examples, plan = write_inputs(tmp_path, rows, repeats=3)
    inputs = read_inputs(examples, plan, PRESET)
    training, validation = open_images(inputs, PRESET, tmp_path)
    label = {row["example_id"]: row["label"] for row in rows}
    assert training.pixels.shape == (21, 16, 16, 1)
    assert training.pixels.dtype == np.uint8
    assert [LABELS[index] for index in training.labels] == [
        label[example_id] for example_id in training.example_ids
    ]
    # The bright stripe tells the class: pixels and labels stayed together.
    assert (
        training.pixels[:, :, :, 0].mean(axis=2).reshape(-1, 8, 2).sum(axis=2).argmax(axis=1)
        == training.labels
    ).all()
    assert len(validation.labels) == 6
    repeats, weights = plan_columns(inputs, training.example_ids)
    assert repeats.tolist() == [3] * 21
    assert weights.tolist() == [1.0] * 21


def test_images_beyond_the_memory_budget_are_streamed_and_the_same(tmp_path):
    inputs = read_inputs(
        *write_inputs(tmp_path, rows_of(train=LABELS, validation=LABELS[:2])), PRESET
    )
    decoded = (21 + 6) * 16 * 16
    pairs = [open_images(inputs, budget_of(size), tmp_path) for size in (decoded, decoded - 1)]
    for in_memory, streamed in zip(*pairs, strict=True):
        assert isinstance(in_memory.pixels, np.ndarray)
        assert isinstance(streamed.pixels, StreamedPixels)
        assert streamed.example_ids == in_memory.example_ids
        assert np.array_equal(streamed.pixels[:], in_memory.pixels)
        streamed.pixels.close()


def budget_of(size):
    return replace(PRESET, training=replace(PRESET.training, memory_budget_bytes=size))


def test_votes_are_read_where_the_preset_trains_on_them(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS)
    votes = [0.0, 0.75, 0.25, *[0.0] * (len(LABELS) - 3)]
    rows[4]["label_distribution"] = votes
    inputs = read_inputs(*write_inputs(tmp_path, rows), PRESET)
    soft = replace(PRESET, training=replace(PRESET.training, soft_labels=True))
    training, _ = open_images(inputs, soft, tmp_path)
    expected = [
        votes if name == rows[4]["example_id"] else [0.0] * len(LABELS)
        for name in training.example_ids
    ]
    assert training.distributions.tolist() == expected
    assert not open_images(inputs, PRESET, tmp_path)[0].distributions.any()


def test_the_plans_columns_follow_the_rows_whatever_their_order(tmp_path):
    examples, plan = write_inputs(tmp_path, rows_of(train=LABELS, validation=LABELS))
    table = pq.read_table(plan / "plan.parquet")
    times = np.arange(table.num_rows) % 4
    weights = np.linspace(0.1, 2, table.num_rows).astype(np.float32)
    table = table.set_column(2, "repeats", [times.astype(np.int32)]).set_column(
        3, "weight", [weights]
    )
    pq.write_table(table, plan / "plan.parquet")
    wanted = dict(
        zip(
            table["example_id"].to_pylist(),
            zip(times.tolist(), weights.tolist(), strict=True),
            strict=True,
        )
    )
    inputs = read_inputs(examples, plan, PRESET)
    training, _ = open_images(inputs, PRESET, tmp_path)
    repeats, found = plan_columns(inputs, training.example_ids)
    assert {
        example_id: (int(r), float(w))
        for example_id, r, w in zip(training.example_ids, repeats, found, strict=True)
    } == {example_id: (r, float(np.float32(w))) for example_id, (r, w) in wanted.items() if r}


def test_golden_images_are_a_seeded_choice_of_test_rows(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS, test=LABELS)
    examples, plan = write_inputs(tmp_path, rows)
    test_ids = {row["example_id"] for row in rows if row["split"] == "test"}
    preset = small_preset(serving=small_preset().serving.__class__(golden_images=5))
    golden = read_inputs(examples, plan, preset).golden
    assert len(golden) == 5
    assert set(golden) < test_ids
    write_examples(examples, rows[::-1], LABELS)
    assert read_inputs(examples, plan, preset).golden == golden


def test_without_test_rows_the_golden_images_are_held_out_rows(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS)
    golden = read_inputs(*write_inputs(tmp_path, rows), PRESET).golden
    assert set(golden) == {row["example_id"] for row in rows if row["split"] == "validation"}


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": LABELS[:1], "validation": LABELS}, "at least two labels; received only angry"),
        ({"train": LABELS, "test": LABELS}, "there are no validation rows"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(tmp_path, splits, message):
    with pytest.raises(InputError, match=message):
        read_inputs(*write_inputs(tmp_path, rows_of(**splits)), PRESET)


def test_no_training_rows_are_refused(tmp_path):
    rows = rows_of(validation=LABELS)
    examples, plan = write_inputs(tmp_path, rows)
    with pytest.raises(ContractError, match="draws no row"):
        read_inputs(examples, plan, PRESET)
    write_plan(plan, rows[:2], write_examples(examples, rows, LABELS).snapshot_id)
    with pytest.raises(InputError, match="there are no training rows"):
        read_inputs(examples, plan, PRESET)


def test_a_plan_of_other_rows_or_another_snapshot_is_refused(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS)
    examples, plan = write_inputs(tmp_path, rows)
    snapshot = write_examples(examples, rows, LABELS)
    write_plan(plan, rows, snapshot.snapshot_id)  # held-out rows too
    with pytest.raises(ContractError, match="names 21 rows that aren't training rows"):
        read_inputs(examples, plan, PRESET)
    write_plan(plan, rows[:21], "another")
    with pytest.raises(ContractError, match="made for another snapshot"):
        read_inputs(examples, plan, PRESET)


def test_unknown_labels_and_broken_files_are_refused(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS)
    examples, plan = write_inputs(
        tmp_path,
        [{**row, "label": "bored"} if index == 0 else row for index, row in enumerate(rows)],
    )
    with pytest.raises(ContractError, match="labels that the preset doesn't know.*received bored"):
        read_inputs(examples, plan, PRESET)
    (plan / "plan.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(ContractError, match="plan.parquet can't be read"):
        read_plan(plan)


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    rows = rows_of(train=LABELS, validation=LABELS)
    broken = rows[3]["example_id"]
    examples, plan = write_inputs(
        tmp_path,
        [{**row, "image": b"torn"} if row["example_id"] == broken else row for row in rows],
    )
    with pytest.raises(ContractError, match=f"example {broken} can't be decoded"):
        open_images(read_inputs(examples, plan, PRESET), PRESET, tmp_path)
