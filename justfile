# Every recipe runs in .venv and creates it if it is missing. The `dev` extra includes `just` itself:
# after README's test command it is .venv/bin/just.

python := env("PYTHON", "python3")
bin := ".venv/bin"
charger := "ws://localhost:9000/ws/CP001"

# What flake8-async adds to ruff's rules is about nurseries, scopes, exceptions, files and HTTP. The rest is the same.
async_words := "open_nursery|start_soon|CancelScope|(fail|move_on)_(at|after)|task_status|open_websocket.*" + \
    "|finally|except|Cancelled|(Base)?ExceptionGroup|BaseException|__aexit__|TextIOWrapper|Buffered.*|fdopen" + \
    "|httpx|urllib3|from trio import|import trio as"
of_ruff := "ASYNC100,ASYNC105,ASYNC109,ASYNC110,ASYNC115,ASYNC116,ASYNC119,ASYNC210,ASYNC212,ASYNC22,ASYNC230," + \
    "ASYNC24,ASYNC25,ASYNC300"

# list the recipes
[private]
help:
    @{{ just_executable() }} --list --unsorted

# create .venv with all tools if it is missing
[private]
venv:
    @test -x {{ bin }}/pytest || ({{ python }} -m venv .venv && {{ bin }}/pip install -q -e '.[dev]')

# lint and the tests of both lanes
[group('day')]
check: lint test night

# The day's lane: the command of README. Arguments go to pytest, and choose from all tests: `just test -k writer`.
# run the tests on all cores
[group('day')]
test *arguments: venv
    {{ bin }}/pytest --workers auto {{ arguments }}

# The night's lane: what is dear, such as the same again on PostgreSQL, programs that are not ours, simulated days and
# the tests of benchmarks (tests/lanes.py). .ci/run runs both.
# run the tests that `just test` leaves out
[group('day')]
night *arguments: venv
    {{ bin }}/pytest --workers auto --lane night {{ arguments }}

# Those that import what is not committed (or what the last commit changed), the nearest first, for some seconds. It
# leaves out what spawns servers or takes long, and the twins on PostgreSQL (tests/quick.py).
# run the tests nearest to the change
[group('day')]
test-quick *arguments: venv
    {{ bin }}/pytest --quick --seconds 12 --workers auto {{ arguments }}

# Without ASYNC124, "async function without await": all handlers are async functions. ASYNC300 is ruff's RUF006.
# flake8-async (tests/tools/async_rules.py) reads, on all cores, the files with a word that one of its own rules looks for.
# run ruff, flake8-async and mypy
[group('day')]
lint: venv
    {{ bin }}/ruff check .
    {{ bin }}/ruff format --check .
    {{ bin }}/mypy
    grep -rlwE --include='*.py' '{{ async_words }}' levity_trio tests | xargs grep -lw async | \
        xargs -P {{ num_cpus() }} -n 70 \
        {{ bin }}/python -m tests.tools.async_rules --disable-noqa --disable=ASYNC9,ASYNC124,{{ of_ruff }} \
        --startable-in-context-manager=_live,_let_charge,_run_trial,run_charger,listen,__call__

# apply the linter's fixes, then format
[group('day')]
fix: venv
    {{ bin }}/ruff check --fix .
    {{ bin }}/ruff format .

# format the code
[group('day')]
format: venv
    {{ bin }}/ruff format .

# Arguments go to the server: `just serve --port 9001`.
# start the server
[group('day')]
serve *arguments: venv
    {{ bin }}/levity-trio serve {{ arguments }}

alias run := serve

# Uses the client of the `ocpp` package.
# run one charging session with a running server
[group('day')]
example url=charger: venv
    {{ bin }}/python tests/tools/example_client.py {{ url }}

# It comes from the declarations of settings, commands, endpoints, refutations, tolerances and others.
# write the manual's reference
[group('day')]
manual: venv
    {{ bin }}/python -m tests.tools.manual

# It is made of all texts in the program: new ones are added, those that are gone are left out. `just catalogue de`.
# write what is to be translated
[group('day')]
catalogue language: venv
    {{ bin }}/python -m tests.tools.catalogue {{ language }}

# The sessions of all tests, stories and simulations that the judge is measured by; writing takes half an hour of CPU.
# `just corpus check` judges them again, `just corpus keep` stores what today's rules say, `just corpus late` tells their
# lies late, in five minutes, and `just corpus course` counts the honest courses that are asked about; `--only FILE`
# takes one file.
# write the corpus of kept sessions
[group('day')]
corpus *arguments: venv
    {{ bin }}/python -m tests.tools.corpus {{ arguments }}

# `just size levity_trio/load` prints a part, `--against COMMIT` what changed since. tests/bounds.py says how large it may be.
# print lines and tokens of the program
[group('day')]
size *arguments: venv
    {{ bin }}/python -m tests.tools.tokens {{ arguments }}

# `--once`, `--packed` and `--names` list what makes the figures, `--rooms` prints each room.
# print how dense and how chopped the code is
[group('day')]
density *arguments: venv
    {{ bin }}/python -m tests.tools.density {{ arguments }}

# Imports between packages, levels and circles.
# print the structure of the house
[group('day')]
structure: venv
    {{ bin }}/python -m tests.tools.house

# Wheel and sdist, built twice, with checksums, SBOM and the versions that the checks ran with, in dist/. `--checked`: they
# have just passed. The tag that starts .github/workflows/release.yml is v and the number.
# make what a release consists of
[group('day')]
release *arguments: venv
    {{ bin }}/python -m tests.tools.release {{ arguments }}

# compare the server with bare and durable echo
[group('day')]
bench *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks {{ arguments }}

# Both lanes, and what each run shortens (tests/sizes.py) is done in full.
# run all tests at full size
[group('tests')]
test-full *arguments: venv
    FULL_SIZE=1 {{ bin }}/pytest --workers auto --lane both {{ arguments }}

# test single units: no process, no connection
[group('tests')]
test-unit *arguments: venv
    {{ bin }}/pytest -m unit {{ arguments }}

# test a spawned server with real clients
[group('tests')]
test-integration *arguments: venv
    {{ bin }}/pytest -m integration {{ arguments }}

# test whole sessions over in-memory connections
[group('tests')]
test-ws *arguments: venv
    {{ bin }}/pytest -m ws {{ arguments }}

# Requests, fields and values that are gone, demanded, other or new: `just api-changes COMMIT [LATER]`.
# print what changed in the API since a commit
[group('figures')]
api-changes *arguments: venv
    {{ bin }}/python -m tests.tools.api_changes {{ arguments }}

# OpenAPI, help, pages of each role and papers, in this tree and in a commit, at a fixed clock: `just same COMMIT`.
# print what answers otherwise than a commit
[group('figures')]
same commit: venv
    {{ bin }}/python -m tests.tools.behaviour {{ commit }}

# Files and functions of a stop, of readings and of a start; `--list` names them.
# trace the way of three messages
[group('figures')]
ways *arguments: venv
    {{ bin }}/python -m tests.tools.ways {{ arguments }}

# In the demo: sixteen households typed from a list, and equal reviews.
# count the keys and clicks of two tasks
[group('figures')]
effort: venv
    {{ bin }}/python -m tests.tools.effort

# Thirty nights of 20 cars for each of three seeds, beside what others do; two minutes. `just feeder 9` takes nine.
# print what cars get under a small feeder
[group('figures')]
feeder *arguments: venv
    {{ bin }}/python -m tests.tools.load.nights {{ arguments }}

# Eight charge points that are not ours, of kinds drawn by a seed, at 25, 32 and 63 A; half a minute of CPU each. With
# `--kinds`, each kind beside three honest ones, in five seconds each: `just fleets --kinds --seeds 1-6 --amperes 25`.
# evenings of mixed foreign fleets at a feeder
[group('figures')]
fleets *arguments: venv
    {{ bin }}/python -m tests.tools.load.fleets {{ arguments }}

# 162 deaths at each of four limits in five kinds of blocks; fifteen minutes with two cores. `just deaths 34` has 612.
# what flows in the hour after a server's death
[group('figures')]
deaths *arguments: venv
    {{ bin }}/python -m tests.tools.load.deaths {{ arguments }}

# With the real server, in virtual time; two days take a quarter of an hour of CPU.
# days at a feeder: `just load-days 25 2`
[group('figures')]
load-days *arguments: venv
    {{ bin }}/python -m tests.tools.load.days {{ arguments }}

# In virtual time, without sockets; a month takes a minute of CPU. Arguments: `just months --seeds 1-20 --jobs 2`.
# simulate months and verify their databases
[group('figures')]
months *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.months {{ arguments }}

# 4,800 stories of two chargers take half an hour of CPU: `--seeds 4` for a part, `--own` with a meter for each.
# tell of one meter behind two chargers
[group('figures')]
one-meter *arguments: venv
    {{ bin }}/python -m tests.tools.one_meter {{ arguments }}

# What an independent generator makes of a night tariff, a feeder, coarse registers, outages and reboots; five minutes of
# CPU. `--houses 4 --nights 10` takes a part.
# honest houses: nothing is to be for review
[group('figures')]
honest *arguments: venv
    {{ bin }}/python -m tests.tools.honest {{ arguments }}

# The corpus is judged again without each rule, and with each number doubled and halved: twenty minutes of CPU.
# `--rules`, `--numbers`, `--only PATTERN` and `--every N` do a part; `--list` only names it.
# print what each rule of the judge is worth
[group('figures')]
worth *arguments: venv
    {{ bin }}/python -m tests.tools.corpus.worth {{ arguments }}

# They show the demo, and lie in a temporary folder that is printed. `--page PATH` takes one page only, `--readme` those
# that README.md shows, `--moving` the one of them that moves.
# take pictures of each page of the dashboard
[group('making')]
screenshots *arguments: venv
    {{ bin }}/python -m tests.tools.screenshots {{ arguments }}

# In build/site, or in a folder that is named; `--repository URL` if git does not know where its files are read.
# write README and the manual as a site
[group('making')]
site *arguments: venv
    {{ bin }}/python -m tests.tools.site {{ arguments }}

# In virtual time, without sockets; it takes three minutes of CPU. The demo goes on where it ends. Until 1.0.0 is released,
# whoever changes the schema makes it again.
# make the history of the demo again
[group('making')]
demo-history: venv
    {{ bin }}/python -m tests.tools.demo_history

# It needs buildah. Arguments go to `buildah build`: `just image --build-arg BASE=localhost/python`.
# build the container's image, and start it
[group('making')]
image *arguments: venv
    {{ bin }}/python -m tests.tools.image {{ arguments }}

# `--minutes 60 --broker-kills 100 --server-kills 20` is the full size; it needs mosquitto.
# kill the MQTT broker and the server repeatedly
[group('soak')]
mqtt-kills *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.mqtt_kills {{ arguments }}

# run long tests: floods, power cuts, full disks
[group('soak')]
soak *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.soak {{ arguments }}

# It takes twelve minutes. Arguments go to pytest.
# simulate a month with every quirk and bill it
[group('soak')]
bill-month *arguments: venv
    MONTH_HOURS=720 {{ bin }}/pytest tests/integration/test_simulated_bill.py {{ arguments }}

# measure the start: CPU, modules, memory
[group('benchmarks')]
bench-start: venv
    {{ bin }}/python -m tests.tools.benchmarks.start

# measure the cost of judging a stop
[group('benchmarks')]
bench-judging *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.judging {{ arguments }}

# A million transactions, ten million readings; `--database FILE` keeps them.
# measure the pages of the API
[group('benchmarks')]
bench-api-reads *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.api_reads {{ arguments }}

# measure the operator API
[group('benchmarks')]
bench-api *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.api {{ arguments }}

# A year of a small site, and one month of a very large one while chargers talk.
# measure the bills of months
[group('benchmarks')]
bench-bill *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.billing {{ arguments }}

# A thousand chargers that come back at once over TLS, and ten thousand bad handshakes.
# measure handshakes
[group('benchmarks')]
bench-handshakes *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.handshakes {{ arguments }}

# The stop of a long session, of up to 8 MB, while other chargers send calls.
# measure large messages
[group('benchmarks')]
bench-large *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.large {{ arguments }}

# On PostgreSQL, through HAProxy. A call's cost, a server that is killed, a database that is, an upgrade; or one of `cost`,
# `kill`, `outage` and `upgrade`.
# measure several servers
[group('benchmarks')]
bench-servers *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.servers {{ arguments }}

# Bytes, CPU and delay of its pages, what 50 readers cost the chargers, and memory.
# measure the dashboard
[group('benchmarks')]
bench-dashboard *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.dashboard {{ arguments }}

# Ten million unless `--readings` says otherwise; on a PostgreSQL of its own, which needs 4 GB of disk.
# measure PostgreSQL with ten million readings
[group('benchmarks')]
bench-growth *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.growth {{ arguments }}

# To a schema with two more columns, with 100,000 sessions and two gigabytes of readings, as a file and on PostgreSQL;
# with its way back. It needs 15 GB of disk. `--sessions N` takes fewer.
# measure an upgrade
[group('benchmarks')]
bench-upgrade *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.upgrade {{ arguments }}

# Memory, CPU and delays with a broker, and with a frozen one.
# measure what MQTT costs
[group('benchmarks')]
bench-mqtt *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.mqtt {{ arguments }}

# The answers to chargers with one that is there, away, slow, frozen or hostile, and a week away. `--kind` for one of them.
# measure what another backend costs
[group('benchmarks')]
bench-backends *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.backends {{ arguments }}

# A day of 20 chargers, each minute without load management and each 20 s with it. `--hours`, `--minutes` from one limit
# to the next, `--noise` in amperes.
# what readings take through load management
[group('benchmarks')]
bench-managed *arguments: venv
    {{ bin }}/python -m tests.tools.benchmarks.managed {{ arguments }}
