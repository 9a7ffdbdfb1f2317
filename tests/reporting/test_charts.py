import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.reporting.page.charts import bars, curves, matrix
from components.reporting.page.charts.svg import Axis, Plot, element, percent_ticks, ticks
from components.shared.findings.evaluation import Change

FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@given(FINITE, st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_lie_inside_and_evenly_apart(low, span, count):
    high = low + span
    found = ticks(low, high, count)
    assert all(low - 1e-6 * span <= value <= high + 1e-6 * span for value in found)
    steps = {round((b - a) / span, 6) for a, b in itertools.pairwise(found)}
    assert len(found) <= count + 2
    assert max(steps, default=0) - min(steps, default=0) <= 2e-5 + 2e-6 * abs(low) / span


def test_ticks_of_nothing():
    assert ticks(1, 1) == (1,)
    assert ticks(math.nan, 1) == ()


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0, 1, ["0%", "25%"]), (0.9, 0.92, ["90.0%", "90.5%"]), (-0.1, 0.1, ["−10%", "−5%"])],
)
def test_percent_ticks_have_the_decimals_that_they_need(low, high, words):
    assert [text for _, text in percent_ticks(low, high, 4)][:2] == words


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_every_value_is_drawn_inside_the_plot(x, y):
    plot = Plot("", 300, 200, Axis(0, 1), Axis(-1, 1))
    left, top = plot.at(x, y)
    assert plot.left <= left <= plot.width - plot.right
    assert plot.top <= top <= plot.height - plot.bottom


def test_elements_escape_what_they_are_given():
    assert (
        element("text", "<&>", class_="a", aria_label='"<')
        == '<text class="a" aria-label="&#34;&lt;">&lt;&amp;&gt;</text>'
    )


def test_the_axis_of_a_learning_curve_starts_at_the_first_epoch():
    drawn = curves.learning_curve("loss", {"loss": (2.0, 1.0), "val_loss": (1.9, 1.2)}, 2, (1, 2))
    assert "epoch 2: 1.200" in drawn
    assert "stage 2" in drawn
    line = re.search(r'points="([^"]*)" class="curve challenger"', drawn)[1].split()
    assert [point.split(",")[0] for point in line] == ["46", "430"]


@pytest.mark.parametrize(
    ("interval", "tone"),
    [
        ((0.01, 0.03), "gain"),
        ((-0.03, -0.01), "loss"),
        ((-0.01, 0.03), "level"),
        ((0.0, 0.02), "level"),
        ((), "level"),
    ],
)
def test_a_difference_is_coloured_only_where_its_interval_lies_on_one_side(interval, tone):
    change = Change("brightness", "dark (below 85)", 300, 0.7, 0.68, 0.02, interval, 12, 6)
    assert bars.tone(change) == tone
    drawn = bars.differences("Slices", [change])
    assert f'class="difference {tone}"' in drawn
    assert "brightness dark (below 85)" in drawn
    assert "+2 points" in drawn


def test_a_confusion_matrix_counts_and_shades():
    drawn = matrix.confusion_matrix("champion", ("happy", "sad"), ((3, 1), (0, 0)))
    assert "3 of 4 labelled happy: champion said happy" in drawn
    assert [
        float(value) for value in re.findall(r'fill-opacity="([\d.]+)"', drawn)
    ] == pytest.approx([0.715, 0.265, 0.04, 0.04], abs=0.011)


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="2 labels, but a matrix of 1 rows"):
        matrix.confusion_matrix("champion", ("happy", "sad"), ((3, 1),))


def test_the_champions_line_steps_where_the_night_changes_it():
    columns = [
        curves.Column("1 Nov", 0.8, 0.8, "blessed", "a"),
        curves.Column("2 Nov", 0.7, 0.8, "rejected", "b"),
    ]
    drawn = curves.trend(columns, "Accuracy")
    assert drawn.count("<circle") == 2
    assert 'class="outcome rejected"' in drawn
    line = re.search(r'points="([^"]*)" class="curve champion"', drawn)[1].split()
    assert len({point.split(",")[1] for point in line}) == 1
