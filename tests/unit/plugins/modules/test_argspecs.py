# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module documents is what it takes, and its examples use nothing else."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils.basic
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
PACKAGE = "ansible_collections.cephclient.rbd.plugins"
NAMES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))

# The option that identifies an item, for each option that takes a list of them.
KEYS = {"images": "image", "mounts": "image", "namespaces": "namespace", "pools": "pool", "users": "name"}


class Asked(Exception):
    """The arguments that a module gives to AnsibleModule."""


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.modules.{name}")


def arguments(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def ask(**given: Any) -> None:
        raise Asked(given)

    module = load(name)
    monkeypatch.setattr(module, ansible.module_utils.basic.AnsibleModule.__name__, ask)
    with pytest.raises(Asked) as asked:
        module.main()
    given: dict[str, Any] = asked.value.args[0]
    return given


def documented(name: str) -> dict[str, Any]:
    """The options of a module with those of its fragments."""
    documentation = yaml.safe_load(load(name).DOCUMENTATION)
    options: dict[str, Any] = {}
    for fragment in documentation.get("extends_documentation_fragment", []):
        file, _dot, variable = fragment.removeprefix("cephclient.rbd.").partition(".")
        source = importlib.import_module(f"{PACKAGE}.doc_fragments.{file}").ModuleDocFragment
        options.update(yaml.safe_load(getattr(source, (variable or "documentation").upper()))["options"])
    return {**options, **documentation["options"]}


def comparable(options: dict[str, Any], inner: str) -> dict[str, Any]:
    keys = ("type", "elements", "default", "choices", "required", "aliases")
    return {
        name: {
            **{key: spec[key] for key in keys if spec.get(key) not in (None, False, [])},
            **({"options": comparable(spec[inner], inner)} if inner in spec else {}),
        }
        for name, spec in options.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_is_the_argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = arguments(name, monkeypatch)["argument_spec"]
    assert comparable(documented(name), "suboptions") == comparable(spec, "options")


@pytest.mark.parametrize("name", NAMES)
def test_check_mode_is_supported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert arguments(name, monkeypatch)["supports_check_mode"] is True


@pytest.mark.parametrize("name", NAMES)
def test_no_suboption_has_a_default_that_hides_the_one_at_the_top(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = arguments(name, monkeypatch)["argument_spec"]
    for option in spec.values():
        for inner, suboption in option.get("options", {}).items():
            assert inner not in spec or suboption.get("default") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_list_and_a_single_item_exclude_each_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = arguments(name, monkeypatch)
    lists = [option for option, spec in given["argument_spec"].items() if KEYS.get(option) in given["argument_spec"]]
    if set(KEYS.values()) & set(given["argument_spec"]):
        assert given["mutually_exclusive"][0] == given["required_one_of"][0]
        assert given["required_one_of"][0][:2] == (KEYS[lists[0]], lists[0])


@pytest.mark.parametrize("name", NAMES)
def test_whatever_may_hold_a_key_is_not_logged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = arguments(name, monkeypatch)["argument_spec"]
    assert all(spec[option].get("no_log") is True for option in ("key", "content") if option in spec)


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_use_documented_options_with_documented_choices(name: str) -> None:
    examples = yaml.safe_load(load(name).EXAMPLES)
    assert examples
    for task in examples:
        assert task["name"]
        check_options(task[f"cephclient.rbd.{name}"] or {}, documented(name))


def check_options(given: dict[str, Any], options: dict[str, Any]) -> None:
    names = {alias: spec for option, spec in options.items() for alias in (option, *spec.get("aliases", []))}
    assert set(given) <= set(names)
    for option, value in given.items():
        words = value if isinstance(value, list) else [value]
        assert all(word in names[option].get("choices", [word]) for word in words)
        for item in value if "suboptions" in names[option] else []:
            check_options(item, names[option]["suboptions"])


@pytest.mark.parametrize("name", NAMES)
def test_every_value_returned_is_described(name: str) -> None:
    returned = yaml.safe_load(load(name).RETURN)
    assert returned
    assert all(spec["description"] and spec["type"] and spec["returned"] for spec in returned.values())
