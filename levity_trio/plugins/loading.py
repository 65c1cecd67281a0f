"""Load plugins from entry points of the group `levity_trio.plugins`, and keep them open while the
server runs.

The built-in plugins use the same group. Each plugin has a task of its own, so a failure ends that
plugin only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import trio

from levity_trio.config import ConfigError, EnvironmentProblem, ServerConfig
from levity_trio.events import PluginFailed
from levity_trio.groups import innermost
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Hooks, Open, Plugin, PluginSettings, Site
from levity_trio.store.engine.faults import Unreadable

GROUP: Final = "levity_trio.plugins"
OURS: Final = "levity_trio."
OPENING_SECONDS: Final = 60.0
CLOSING_SECONDS: Final = 3.0
"""How long plugins may take to close when the server stops."""

log = get_logger("system")


def check_plugins(config: ServerConfig) -> None:
    """Check that every plugin named by `--plugins` or by a `[plugin.NAME]` table is installed, and
    that of --mqtt.

    Raises:
        ConfigError: a plugin is not installed; the message lists the installed ones, or says what
        to do.
    """
    installed = _installed()
    # it would be as if nobody had asked for it
    if config.mqtt is not None and "mqtt" not in installed:
        raise ConfigError(
            "--mqtt: the program is newer than its installation; run pip install again, as at first"
        )
    named = {f"--plugins {name}": name for name in config.plugins}
    named |= {f"[plugin.{name}]": name for name in config.plugin_settings}
    for source, name in named.items():
        if name not in installed:
            raise ConfigError(
                f"{source}: no such plugin is installed; installed are "
                f"{', '.join(sorted(installed))}"
            )


@asynccontextmanager
async def open_plugins(hooks: Hooks, site: Site) -> AsyncIterator[None]:
    """Open the built-in plugins and those named by `--plugins`, each with its own settings.

    Raises:
        EnvironmentProblem: a plugin failed to load or open.
        ConfigError: a plugin is not installed, or its settings are wrong.
        Unreadable: a plugin could not read the database.
    """
    check_plugins(site.config)
    installed = _installed()
    ours = sorted(name for name, point in installed.items() if point.value.startswith(OURS))
    chosen = {name: _loaded(installed[name]) for name in (*ours, *site.config.plugins)}
    for name in site.config.plugin_settings.keys() - chosen.keys():
        log.warning("plugin has settings but is not enabled; add it to --plugins", plugin=name)
    closing = trio.Event()
    async with trio.open_nursery() as living:
        for name, open_one in chosen.items():
            settings = PluginSettings(name, site.config.plugin_settings.get(name, {}))
            own_site = replace(site, settings=settings, api=site.api.of(name))
            with trio.move_on_after(OPENING_SECONDS) as scope:
                await living.start(_live, hooks, name, open_one, own_site, closing)
            if scope.cancelled_caught:
                raise EnvironmentProblem(
                    f"the plugin {name} did not open within {OPENING_SECONDS:g} s"
                )
        yield
        closing.set()
        living.cancel_scope.deadline = trio.current_time() + CLOSING_SECONDS


async def _live(
    hooks: Hooks,
    name: str,
    open_one: Open,
    site: Site,
    closing: trio.Event,
    task_status: trio.TaskStatus[None],
) -> None:
    """Open a plugin and keep it open until `closing`. No exception of an open plugin leaves this
    function."""
    plugin: Plugin | None = None
    is_open = False
    try:
        async with open_one(site) as plugin:
            if plugin is not None:
                hooks.join(plugin)
            is_open = True
            task_status.started()
            if plugin is not None:
                await closing.wait()
                hooks.leave(plugin)  # hooks must not run while the plugin closes
    except Exception as error:
        if not is_open:
            cause = innermost(error)
            if isinstance(cause, ConfigError | EnvironmentProblem | Unreadable):
                raise cause from None
            raise EnvironmentProblem(f"the plugin {name} does not open: {cause!r}") from None
        log.exception("plugin ended by an error", plugin=name)
        hooks.observe(PluginFailed(charger=None, plugin=name, hook="open"))
    finally:
        if plugin is not None:
            hooks.leave(plugin)


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """Return the plugins by name. To find them, files of all installed packages are read, so this
    is done once."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Open:
    try:
        loaded: Open = point.load()
    except Exception as error:
        raise EnvironmentProblem(
            f"--plugins {point.name}: it cannot be loaded: {error!r}"
        ) from error
    return loaded
