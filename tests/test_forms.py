"""The forms for issues are ones that GitHub takes: it shows none that breaks its rules, and says so
to nobody who reports something."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

GITHUB: Final = Path(__file__).parent.parent / ".github"
FORMS: Final = sorted(set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")))
HAS: Final = {
    "markdown": ({"value"}, {"value"}),
    "input": ({"label"}, {"label", "description", "placeholder", "value"}),
    "textarea": ({"label"}, {"label", "description", "placeholder", "value", "render"}),
    "dropdown": ({"label", "options"}, {"label", "options", "description", "multiple", "default"}),
}
"""What an element must have and may have, by its type (GitHub: syntax for issue forms)."""
ID: Final = re.compile(r"[A-Za-z0-9_-]+")


def loaded(form: Path) -> Any:
    # it comes with pre-commit, without types
    return import_module("yaml").safe_load(form.read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_keeps_the_rules_of_github(form: Path) -> None:
    content = loaded(form)
    if form.stem == "config":
        assert content.keys() == {"blank_issues_enabled"}
        return
    assert content.keys() == {"name", "description", "body"}
    asked = [element for element in content["body"] if element["type"] != "markdown"]
    assert len({element["id"] for element in asked}) == len(asked) > 0
    assert len({element["attributes"]["label"] for element in asked}) == len(asked)
    assert all(ID.fullmatch(element["id"]) for element in asked)
    for element in content["body"]:
        needed, allowed = HAS[element["type"]]
        assert needed <= element["attributes"].keys() <= allowed
        assert element.keys() <= {"type", "id", "attributes", "validations"}
        assert element.get("validations", {}).keys() <= {"required"}
        options = element["attributes"].get("options", [])
        assert all(isinstance(option, str) for option in options)
        assert len(set(options)) == len(options)


def test_reports_ask_for_what_finds_a_fault() -> None:
    ids = {
        form.stem: {element.get("id") for element in loaded(form).get("body", ())} for form in FORMS
    }
    assert ids["charger"] >= {"charger", "way", "frames", "version"}
    assert ids["bill"] >= {"explanation", "frames", "version"}
    text = (GITHUB / "ISSUE_TEMPLATE" / "charger.yml").read_text(encoding="utf-8")
    assert "--share FILE" in text
