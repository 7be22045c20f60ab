# What a newcomer runs: `make demo` and `make test`. Both install what this machine
# lacks first (as root or with sudo), and a second run finds it there.

# No target is a file, whatever lies about under its name.
.PHONY: $(shell sed -n 's/^\([a-z0-9 -]*\):.*/\1/p' Makefile)

help:
	@echo "make demo       see workspaces start and stop on a private server (DEMO_SECONDS, default 180)"
	@echo "make demo-keep  the same, and leave the server up to look around; make demo-stop ends it"
	@echo "make test       everything: formatting, lints, unit, property, in-server and whole-server tests"
	@echo "make test-upgrade  upgrade from the library of 0.1.0, which is built for it"
	@echo "make test-faults  break servers many times over (FAULTS_ROUNDS, default 100; FAULTS_SEED)"
	@echo "make test-ha      failover and switchover under Patroni, in the midst of a storm (HA_ROUNDS, default 2)"
	@echo "make test-beside  beside pg_cron, pgaudit, pg_stat_statements, auto_explain, pg_repack, PgBouncer, exporters"
	@echo "make test-asserted   build and test on a PostgreSQL with assertions, from Debian's source"
	@echo "make test-sanitized  a storm and every SQL function under valgrind; a quarter of an hour or more"
	@echo "make test-forecast  a forecast of a month of 2,000 workspaces against the ticks themselves (FORECAST_WORKSPACES, FORECAST_DAYS)"
	@echo "make fuzz       fuzz the pure parts (FUZZ_SECONDS for each target, default 60)"
	@echo "make soak       10,000 ticks on 20,000 workspaces that live (SOAK_TICKS, SOAK_WORKSPACES)"
	@echo "make bench      measure (BENCH_SIZES, default \"10000 100000\"); results in target/bench.json"
	@echo "make test-16    build and test on PostgreSQL 16, a smaller suite; test-15, test-17, test-18 likewise"
	@echo "make test-versions  all four, this machine's own whole"
	@echo "make install    build, optimized, and put the extension into this machine's PostgreSQL (or PG_CONFIG's)"
	@echo "make deb        Debian packages for this release's PostgreSQL, into target/deb"
	@echo "make test-deb   try these packages, on a machine that may be changed: installs, upgrades, removes (as root)"
	@echo "make image      an image for Kubernetes (CloudNativePG, PostgreSQL 18), in target/image; make test-image tries it"
	@echo "make dist       the archive for PGXN, from what is committed, in target/dist"
	@echo "make setup      only install what building and testing need; make setup-build only for building"
	@echo "make build      only build the extension"
	@echo "make lint       only formatting, spelling, licences, lints and documentation"
	@echo "make advisories known vulnerabilities of the crates we depend on; fetches their list"
	@echo "make docs       the pages as a site: target/docs/index.html"
	@echo "make report     look at the page of autobuild_report in Chromium, narrow and wide, light and dark"
	@echo "make pictures   draw docs/pictures anew, from real runs; a quarter of an hour"
	@echo "make clean      remove what was built and the private server"

setup:
	@scripts/setup.sh test

setup-build:
	@scripts/setup.sh build

build: setup-build
	@scripts/install.sh private

# What PGXN's client asks for before it installs.
all: setup-build
	@scripts/install.sh build

install: setup-build
	@scripts/install.sh system

test: setup
	@scripts/test.sh

test-15 test-16 test-17 test-18: setup
	@scripts/other-version.sh $(@:test-%=%)

test-versions: test-15 test-16 test-17 test-18

test-upgrade: setup
	@scripts/upgrade.sh

test-faults: setup
	@scripts/faults.sh

test-ha: setup
	@scripts/ha.sh

test-beside: setup
	@scripts/beside.sh

test-asserted: setup
	@scripts/asserted.sh

test-sanitized: setup
	@scripts/sanitized.sh

soak: setup
	@scripts/soak.sh

test-forecast: setup
	@scripts/forecast.sh

fuzz:
	@scripts/fuzz.sh

lint: setup
	@scripts/lint.sh

advisories: setup
	@scripts/advisories.sh

bench: setup-build
	@scripts/bench.sh

image:
	@scripts/image.sh build

test-image:
	@scripts/image.sh test

dist:
	@scripts/dist.sh

demo:
	@scripts/demo.sh run

demo-keep:
	@scripts/demo.sh keep

demo-stop:
	@scripts/demo.sh stop

docs:
	@scripts/docs.sh

pictures: setup
	@scripts/pictures.sh

report: setup
	@scripts/report.sh

deb:
	@scripts/deb.sh

test-deb:
	@scripts/deb-check.sh lint

clean:
	@scripts/clean.sh
