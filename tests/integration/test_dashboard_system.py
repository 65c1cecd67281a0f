"""The pages of the system over HTTP: for admins, with what must be shown once, and settings without
secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.browsing import PASSWORD, log_in
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

HOSTILE = '"><script>alert(1)</script>'
PAGES = ("/system", "/system/people", "/system/audit")
SECRET_URL = "https://user:secret-of-a-service@example.org/authorize"  # noqa: S105


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("system")
    (folder / "levity.toml").write_text(f'authorizer = "{SECRET_URL}"')
    with serving(folder / "site.db", "--config", str(folder / "levity.toml")) as running:
        for role in ("admin", "operator"):
            given = {"name": role, "role": role, "password": PASSWORD}
            api_of(running).ask("POST", "admin", "users", given=given)
        yield running


@pytest.mark.parametrize("path", PAGES)
def test_only_admins_see_the_system(server: Serving, path: str) -> None:
    assert log_in(server, "admin").get(path).status == 200
    page = log_in(server, "operator").get(path)
    assert page.status == 403
    assert "/system" not in page.links


def test_settings_stand_with_where_they_came_from_and_without_secrets(server: Serving) -> None:
    page = log_in(server, "admin").get("/system")
    assert "authorizer" in page.words
    assert "flag" in page.words
    assert "secret-of-a-service" not in page.html


def test_a_token_is_shown_once_and_can_be_revoked(server: Serving) -> None:
    admin = log_in(server, "admin")
    made = admin.send(
        admin.get("/do/post/admin/tokens?next=/system/people").form("/do/post"),
        name="tablet",
        role="viewer",
    )
    assert "levity_" in made.words
    page = admin.get("/system/people")
    assert "tablet" in page.words
    assert "levity_" not in page.words
    page = admin.send(page.form("Revoke tablet"))
    assert (page.path, "Revoke tablet" in page.words) == ("/system/people", False)


def test_a_log_in_of_another_is_ended_from_here(server: Serving) -> None:
    admin, operator = log_in(server, "admin"), log_in(server, "operator")
    page = admin.get("/system/people")
    ((login,),) = server.query("SELECT max(id) FROM login")
    admin.send(page.form(f"/do/delete/admin/logins/{login}"))
    assert operator.get("/").path.startswith("/login")


def test_the_audit_names_who_did_what(server: Serving) -> None:
    admin = log_in(server, "admin")
    admin.send(admin.get("/do/post/admin/stations").form("/do/post"), name=HOSTILE)
    page = admin.get("/system/audit")
    # on a phone the details have a line of their own
    assert "<span>Add a station</span><details>" in page.html
    assert "Add a station What was sent POST /api/admin/stations" in page.words
    assert HOSTILE in admin.get("/system").words
    assert all("src" in given for tag, given in page.tags if tag == "script")


def test_an_older_page_of_the_audit(server: Serving) -> None:
    admin = log_in(server, "admin")
    for number in range(21):
        admin.send(admin.get("/do/post/admin/stations").form("/do/post"), name=f"S{number}")
    page = admin.get("/system/audit")
    (older,) = [one for one in page.links if one.startswith("?before=")]
    assert admin.get(f"/system/audit{older}").words != page.words


def test_the_audit_names_chargers_and_leaves_paths_to_the_details(server: Serving) -> None:
    admin = log_in(server, "admin")
    admin.send(admin.get("/do/post/admin/chargers").form("/do/post"), id="SPACE-01", name="Space 1")
    admin.send(admin.get("/do/put/admin/chargers/SPACE-01").form("/do/put"), name="Space 7")
    admin.send(admin.get("/do/delete/admin/chargers/NOBODY").form("/do/delete"))
    page = admin.get("/system/audit")
    assert (
        "Rename, or move to a station: Space 7 What was sent PUT /api/admin/chargers/SPACE-01"
        in page.words
    )
    assert "Retire: NOBODY" in page.words
    assert "Body" not in page.words
