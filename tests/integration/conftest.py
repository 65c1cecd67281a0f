"""What several modules of these tests look at, made once."""

import pytest

from .story import Story, tell


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What a real server told of itself while things happened to it; this takes half a minute."""
    return tell(tmp_path_factory.mktemp("story"))
