# Everything runs in .venv, which is made when it is missing. `just` itself comes with the `dev` extra:
# after `just venv` (or README's test command) it is .venv/bin/just.

python := env("PYTHON", "python3")
bin := ".venv/bin"
charger := "ws://localhost:9000/ws/CP001"

# list the recipes
help:
    @{{ just_executable() }} --list --unsorted

# lint and test
check: lint test

# make .venv with all tools, if it is missing
venv:
    @test -x {{ bin }}/pytest || ({{ python }} -m venv .venv && {{ bin }}/pip install -q -e '.[dev]')

# `just test -k writer` hands its arguments to pytest.
# all tests, on all cores
test *arguments: venv
    {{ bin }}/pytest -n auto {{ arguments }}

# tests of one room: no process, no connection
test-unit *arguments: venv
    {{ bin }}/pytest -m unit {{ arguments }}

# tests of a spawned server with real clients
test-integration *arguments: venv
    {{ bin }}/pytest -m integration {{ arguments }}

# tests of whole conversations, in memory
test-ws *arguments: venv
    {{ bin }}/pytest -m ws {{ arguments }}

# Not "async function without await" (ASYNC124): handlers share one shape.
# ruff, flake8-async and mypy
lint: venv
    {{ bin }}/ruff check .
    {{ bin }}/ruff format --check .
    find levity_trio tests -name '*.py' -exec {{ bin }}/flake8-async --disable=ASYNC9,ASYNC124 --startable-in-context-manager=_live {} +
    {{ bin }}/mypy

# format the code
format: venv
    {{ bin }}/ruff format .

# mend what the linter can, then format
fix: venv
    {{ bin }}/ruff check --fix .
    {{ bin }}/ruff format .

# measure the server against a bare echo
bench *arguments: venv
    {{ bin }}/python -m tests.benchmarks {{ arguments }}

# measure what judging a stop costs
bench-judging *arguments: venv
    {{ bin }}/python -m tests.benchmarks.judging {{ arguments }}

# measure the simulator against bare clients
bench-simulator *arguments: venv
    {{ bin }}/python -m tests.benchmarks.simulated {{ arguments }}

# long tests: floods, power cuts, full disks
soak *arguments: venv
    {{ bin }}/python -m tests.benchmarks.soak {{ arguments }}

# `just serve --port 9001` hands its arguments on.
# start the server
serve *arguments: venv
    {{ bin }}/levity-trio serve {{ arguments }}

alias run := serve

# It talks through the `ocpp` package's own client.
# one charging session with a running server
example url=charger: venv
    {{ bin }}/python tests/example_client.py {{ url }}
