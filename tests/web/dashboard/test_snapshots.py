"""What pages read: one snapshot, masked."""

import pytest

from levity_trio.store.engine.database import Database
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.dashboard.page import ApiRefused, Look
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening


def words(db: Database, text: str) -> dict[str, str]:
    ((said,),) = db.execute("SELECT ?", (text,)).fetchall()
    return {"id_tag": "04A2", "words": said}


@pytest.mark.parametrize(
    ("role", "seen"), [(Role.OPERATOR, "the card 04A2"), (Role.VIEWER, "the card ***")]
)
async def test_a_page_reads_what_its_reader_may_see(site: Site, role: Role, seen: str) -> None:
    view = Opening(site, role).view("", {})
    assert (await view.look(lambda look: look(words, text="the card 04A2")))["words"] == seen


async def test_a_page_reads_one_snapshot(site: Site) -> None:
    """What is stored between two reads of a page is seen by neither."""

    def chargers(db: Database) -> int:
        return len(db.execute("SELECT id FROM cp").fetchall())

    def read(look: Look) -> tuple[int, int]:
        before = look(chargers)
        site.books.connection.execute(
            "INSERT INTO cp (id, created_at, updated_at) VALUES ('CP-9', '2026', '2026')"
        )
        return before, look(chargers)

    before, after = await Opening(site).view("", {}).look(read)
    assert before == after


async def test_what_is_not_there_is_refused_as_the_api_does(site: Site) -> None:
    def missing(_look: Look) -> None:
        raise not_found("account 5")

    view = Opening(site).view("", {"id": "seven"})
    with pytest.raises(ApiRefused) as refused:
        await view.look(missing)
    assert (refused.value.status, refused.value.code) == (404, "not_found")
    with pytest.raises(ApiRefused, match="give a whole number"):
        _ = view.number
