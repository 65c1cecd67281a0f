"""`just test-quick` takes the tests that are near to a change."""

from __future__ import annotations

from tests.quick import MOST_FILES, nearest
from tests.tools.house import PACKAGE
from tests.workers import LONG


def test_the_tests_of_a_changed_module_are_the_nearest() -> None:
    files = nearest([f"{PACKAGE}/billing/money.py"])
    assert files[0] == "tests/billing/test_money.py"
    assert "tests/store/test_statements.py" in files[:MOST_FILES]
    assert not [file for file in files if file.startswith("tests/integration/")]


def test_a_changed_test_is_the_nearest_itself() -> None:
    path = "tests/integration/test_stop.py"
    assert nearest([path]) == [path]


def test_a_changed_template_counts_as_the_page_that_shows_it() -> None:
    files = nearest([f"{PACKAGE}/web/dashboard/templates/now.html"])
    assert files[0].startswith("tests/web/dashboard/")


def test_what_takes_long_is_left_out() -> None:
    files = nearest([f"{PACKAGE}/web/dashboard/pages/now.py"])
    assert "tests/web/dashboard/test_now.py" in files[:3]
    assert not {f"tests/{name}" for name in LONG} & {*files}
    assert nearest([f"tests/{LONG[0]}"]) == [f"tests/{LONG[0]}"]


def test_a_migration_counts_as_the_module_that_runs_it() -> None:
    assert "tests/store/engine/test_schema.py" in nearest(["schema/bills.sql"])[:MOST_FILES]


def test_a_page_of_the_manual_is_near_to_its_tests() -> None:
    assert any(
        file.startswith("tests/manual/")
        for file in nearest([f"{PACKAGE}/manual/tasks/cards.md"])[:20]
    )
