from levity_trio.importing import ASYNCIO, spared

with spared(ASYNCIO):
    import starlette.applications as _  # noqa: F401
