from __future__ import annotations

import json
from dataclasses import replace

import pytest

from components.shared.errors import ContractError, InputError, UnknownNameError
from components.shared.preset import DataPolicy, ImageSpec, Preset, Stage
from components.shared.serialization import digest, from_json, json_object, to_json, to_pretty_json
from pipelines.presets import PRESETS, preset
from tests.shared.values import evidence_of_every_step


@pytest.mark.parametrize("value", PRESETS.values(), ids=PRESETS)
def test_presets_survive_the_round_trip(value: Preset) -> None:
    assert from_json(Preset, to_json(value)) == value
    assert from_json(Preset, to_pretty_json(value)) == value


@pytest.mark.parametrize(("kind", "value"), evidence_of_every_step())
def test_findings_survive_the_round_trip(kind: type, value: object) -> None:
    assert from_json(kind, to_json(value)) == value


def test_a_digest_follows_content_and_not_field_order() -> None:
    one = PRESETS["synthetic-faces"]
    shuffled = json.dumps(dict(reversed(json.loads(to_json(one)).items())))
    assert digest(from_json(Preset, shuffled)) == digest(one)
    assert digest(replace(one, summary="other")) != digest(one)


def test_an_unknown_field_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(UnknownNameError, match="field of ImageSpec 'hight'.*did you mean 'height'"):
        from_json(ImageSpec, '{"hight": 48, "width": 48, "channels": 1}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "isn't valid JSON"),
        ('{"height": 48}', "lacks width, channels"),
        (
            '{"height": "48", "width": 48, "channels": 1}',
            r"ImageSpec.height has the wrong type; expected a whole number; received '48'",
        ),
        ('{"height": true, "width": 48, "channels": 1}', "a whole number"),
        ("[]", "expected an object"),
    ],
)
def test_a_wrong_shape_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        from_json(ImageSpec, text)


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        to_json({"accuracy": float("nan")})


@pytest.mark.parametrize("text", [None, b"", "", b"\xff", "{", "[1]", "null", '"text"'])
def test_what_is_no_object_reads_as_an_empty_one(text: str | bytes | None) -> None:
    assert json_object(text) == {}


def test_an_object_of_any_fields_is_read() -> None:
    assert (
        json_object(b'{"a": {"b": [1]}}') == json_object('{"a": {"b": [1]}}') == {"a": {"b": [1]}}
    )


def test_presets_check_themselves() -> None:
    with pytest.raises(InputError, match="image channels is out of range; expected 1"):
        ImageSpec(48, 48, 4)
    with pytest.raises(InputError, match="epochs"):
        Stage(epochs=0)
    with pytest.raises(UnknownNameError, match="unknown taxonomy 'basic7'.*did you mean 'basic-7'"):
        DataPolicy("basic7", ImageSpec(48, 48, 1))
    with pytest.raises(InputError, match="lower-case"):
        replace(PRESETS["synthetic-faces"], name="A name")


def test_an_unknown_preset_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fer2013-cnn'"):
        preset("fer2013cnn")


def test_every_preset_stands_under_its_own_name() -> None:
    assert all(value.name == name for name, value in PRESETS.items())
