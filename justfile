# Everything runs in .venv, which is made when it is missing. `just` itself comes with the `dev` extra:
# after `just venv` (or README's test command) it is .venv/bin/just.

python := env("PYTHON", "python3")
bin := ".venv/bin"

# lint and test
check: lint test

# list the recipes
help:
    @{{ just_executable() }} --list --unsorted

# make .venv with the server and the development tools, if it is missing
venv:
    @test -x {{ bin }}/pytest || ({{ python }} -m venv .venv && {{ bin }}/pip install -q -e '.[dev]')

# all tests, on all cores; `just test -k writer` hands its arguments to pytest
test *arguments: venv
    {{ bin }}/pytest -n auto {{ arguments }}

# one room alone: no process, no connection
test-unit *arguments: venv
    {{ bin }}/pytest -m unit {{ arguments }}

# a spawned server, real signals, real clients
test-integration *arguments: venv
    {{ bin }}/pytest -m integration {{ arguments }}

# whole conversations over a WebSocket, in memory
test-ws *arguments: venv
    {{ bin }}/pytest -m ws {{ arguments }}

# ruff, flake8-async (but for "async function without await": handlers share one shape) and mypy
lint: venv
    {{ bin }}/ruff check .
    {{ bin }}/ruff format --check .
    find levity_trio tests -name '*.py' -exec {{ bin }}/flake8-async --disable=ASYNC9,ASYNC124 --startable-in-context-manager=_live {} +
    {{ bin }}/mypy

# format the code
format: venv
    {{ bin }}/ruff format .

# mend what the linter can mend by itself, then format
fix: venv
    {{ bin }}/ruff check --fix .
    {{ bin }}/ruff format .

# measure the server against a bare echo
bench *arguments: venv
    {{ bin }}/python -m tests.benchmarks {{ arguments }}

# measure what judging a stop costs, against the SELECT of what it needs
bench-judging *arguments: venv
    {{ bin }}/python -m tests.benchmarks.judging {{ arguments }}

# measure the simulator against bare clients
bench-simulator *arguments: venv
    {{ bin }}/python -m tests.benchmarks.simulated {{ arguments }}

# power cuts, a disk that refuses, floods: the long version of the integration tests
soak *arguments: venv
    {{ bin }}/python -m tests.benchmarks.soak {{ arguments }}

# start the server; `just serve --port 9001` hands its arguments on
serve *arguments: venv
    {{ bin }}/levity-trio serve {{ arguments }}

alias run := serve

# one charger's conversation with a running server, through the `ocpp` package's own client
example url="ws://localhost:9000/ws/CP001": venv
    {{ bin }}/python tests/example_client.py {{ url }}
