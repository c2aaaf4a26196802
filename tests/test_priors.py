"""Priors from YAML: the bundled file is whole, mistakes are told where they are, and every number is used."""

from __future__ import annotations

import copy
from dataclasses import asdict, fields
from importlib.resources import files

import numpy as np
import pytest
import yaml

from rfiscan.errors import ConfigError
from rfiscan.priors import BUNDLED, bundled_priors, load_priors, parse_priors
from rfiscan.simulation import draw_interference
from rfiscan.simulation.emitters import KINDS, draw_emitter
from rfiscan.simulation.priors import InterferencePriors
from tests.make_interference import whole_layout

TEXT = files("rfiscan").joinpath(BUNDLED).read_text(encoding="utf-8")
VALUES = yaml.safe_load(TEXT)


def numbers(value, path=()):
    """Paths to all numbers of a mapping; those of spans end in 0 or 1."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in numbers(item, (*path, key))]
    if isinstance(value, list):
        return [(*path, index) for index in range(len(value))]
    return [path]


def place_of(values, path):
    """The mapping or the list that a path ends in."""
    for key in path[:-1]:
        values = values[key]
    return values


def with_value(path, value):
    """The bundled values as YAML, with one of them replaced."""
    values = copy.deepcopy(VALUES)
    place_of(values, path)[path[-1]] = value
    return yaml.safe_dump(values)


def with_key(path, name):
    """The bundled values as YAML, with one key renamed."""
    values = copy.deepcopy(VALUES)
    place = place_of(values, path)
    place[name] = place.pop(path[-1])
    return yaml.safe_dump(values)


def changed(path):
    """The bundled priors with one number changed; a span shrinks by a tenth at that end."""
    place, last = place_of(VALUES, path), path[-1]
    inwards = isinstance(place, list)
    value = place[last] + 0.1 * (place[1 - last] - place[last]) if inwards else 1.5 * place[last]
    return parse_priors(with_value(path, value), "changed")


def write(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return path


# the bundled file


def test_the_bundled_priors_hold_every_kind_and_every_key():
    priors = bundled_priors()
    assert set(priors.kinds) == set(KINDS)
    assert set(VALUES) == {field.name for field in fields(InterferencePriors)}
    assert bundled_priors() is priors


def test_a_copy_of_the_bundled_file_is_the_same(tmp_path):
    assert load_priors(write(tmp_path, TEXT)) == bundled_priors()


def test_spans_of_the_bundled_file_ascend():
    for path in numbers(VALUES):
        if path[-1] == 0:
            low, high = place_of(VALUES, path)
            assert low < high, path


# every number is used


@pytest.fixture(scope="module")
def drawn():
    """What seeds draw of the bundled priors."""
    return draws(bundled_priors())


def draws(priors):
    emitters = []
    for seed in range(25):
        # kinds that are asked for use no random numbers, so that each is drawn from alike
        for kind in (None, *KINDS):
            emitters.append(asdict(draw_emitter(np.random.default_rng(seed), priors, 25.0, kind=kind)))
    return emitters


def scenes(priors):
    layout = whole_layout("SM", (40, 40))
    drawn = [
        draw_interference(np.random.default_rng(seed), layout, np.ones((2, 40, 40), np.float32), priors).interferers
        for seed in range(10)
    ]
    return [[interferer.power for interferer in interferers] for interferers in drawn]


OF_SCENES = {"mean_emitters", "ibr_db", "weaker_db"}


@pytest.mark.parametrize(
    "path", [p for p in numbers(VALUES) if p[0] not in OF_SCENES], ids=lambda p: ".".join(map(str, p))
)
def test_every_number_of_emitters_changes_what_is_drawn(drawn, path):
    assert draws(changed(path)) != drawn


@pytest.mark.parametrize("path", [p for p in numbers(VALUES) if p[0] in OF_SCENES], ids=lambda p: ".".join(map(str, p)))
def test_every_number_of_scenes_changes_what_is_drawn(path):
    assert scenes(changed(path)) != scenes(bundled_priors())


# mistakes


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        (("tilt_deg",), "tilt_degs", "tilt_deg"),
        (("kinds", "pulsed"), "pulse", "pulsed"),
        (("kinds", "chirped", "sweep_mhz"), "sweep_mz", "sweep_mhz"),
        (("timing", "fixed"), "fixd", "fixed"),
        (("scan", "rotating"), "rotatin", "rotating"),
        (("polarization", "vertical"), "vertcal", "vertical"),
    ],
)
def test_an_unknown_key_names_the_nearest(path, name, meant):
    where = ".".join((*path[:-1], name))
    with pytest.raises(ConfigError, match=rf"own\.yaml: {where} is not known") as caught:
        parse_priors(with_key(path, name), "own.yaml")
    assert meant in caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tilt_deg",), "three"),
        (("ibr_db",), [-3]),
        (("ibr_db",), 27),
        (("kinds", "pulsed", "share"), [1]),
        (("kinds", "chirped", "sweep_mhz"), [1, "wide"]),
        (("timing", "fixed"), "often"),
        # numbers that make no sense
        (("ibr_db",), [27, -3]),
        (("ibr_db",), [-3, float("nan")]),
        (("rotation_s",), [3, float("inf")]),
        (("kinds", "pulsed", "share"), -1),
        (("kinds", "pulsed", "length_us"), [-1, 20]),
        (("kinds", "chirped", "interval_us"), [0, 20]),
        (("scan", "agile"), -0.1),
        (("mean_emitters",), 0.2),
        (("weaker_db",), -1),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(path, value):
    with pytest.raises(ConfigError) as caught:
        parse_priors(with_value(path, value), "own.yaml")
    assert str(caught.value).startswith(f"own.yaml: {'.'.join(path)}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("key", ["tilt_deg", "scan", "kinds"])
def test_a_missing_key_is_told(key):
    values = {name: value for name, value in VALUES.items() if name != key}
    with pytest.raises(ConfigError, match=rf"own\.yaml: {key}: .*required"):
        parse_priors(yaml.safe_dump(values), "own.yaml")


@pytest.mark.parametrize(
    ("text", "word"), [("a: [", "not YAML"), ("", "no keys"), ("3", "no keys"), ("- 1", "no keys")]
)
def test_what_holds_no_keys_is_told(text, word):
    with pytest.raises(ConfigError, match=rf"own\.yaml: .*{word}"):
        parse_priors(text, "own.yaml")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load_priors(path)
        assert str(path) in str(caught.value)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_priors(tmp_path / "binary.yaml")
