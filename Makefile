# Everything that is done to this repository by hand or by a machine. `make`
# alone prints what there is; the longer steps are in scripts/.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# The flags of `make run`'s server, such as SERVE="--data /srv/sluice --listen :80".
SERVE ?= --data ./data
# The flags of `make cluster`, such as CLUSTER="-broker rabbitmq -redirects 2".
CLUSTER ?=

# The dashboard is built again when one of these is newer than what was built.
# schema.d.ts is written by the build itself.
dashboard := internal/web/dist/index.html
dashboard_sources := $(shell test -f web/package.json && find web internal/api/openapi.json -type f \
	-not -path '*/node_modules/*' -not -path 'web/e2e/*' -not -name schema.d.ts -not -name '*.test.*')

# What is deployed at the edge is part of the program, which hands it out.
worker := internal/export/edge/dist/worker.js
worker_sources := $(shell find edge -type f -not -path '*/node_modules/*' -not -path 'edge/test/*')

.PHONY: help needs geo dashboard edge binary build run test test-go test-web test-edge test-browser lint lint-go lint-shell lint-web bench bench-edge bench-cluster crash sim cluster drills engines fmt clean

help: ## Print these targets
	@echo "Sluice $(VERSION). Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: needs geo dashboard edge binary ## Build the dashboard, the edge's worker and the program: bin/sluice

run: build ## Build, then serve from ./data until Ctrl-C
	@exec scripts/run.sh bin/sluice serve $(SERVE)

test: ## Lint, then every test that needs no browser: what a change must pass
	@scripts/test.sh

lint: needs geo dashboard lint-shell lint-go lint-web ## Check formatting, go vet, staticcheck, errcheck, ineffassign, shell, TypeScript

bench: build ## Measure what the project promises, beside nginx; prints a table
	@scripts/bench.sh

bench-edge: edge ## Measure a visit in Cloudflare's runtime beside the few lines that most begin with
	@cd edge && node bench.js

bench-cluster: binary engines ## Measure shippers, collectors, links through Redis and what a cluster costs a redirect (10 minutes)
	GOMAXPROCS=1 taskset -c 0 go test -run - -bench Shipper -benchtime 1000000x -count 3 ./test/bench
	go test -run - -bench 'Collector/.*/server' -benchtime 2000000x ./test/bench
	SLUICE_BIN=$(CURDIR)/bin/sluice go test -run - -bench 'ClusterRedirect|Propagation|NewNode' -benchtime 1x -timeout 30m ./test/bench
	go test -run - -bench ClickHouseBytes -benchtime 5000000x -timeout 30m ./test/bench

crash: binary ## Kill the server under load 100 times and account for every click
	SLUICE_BIN=$(CURDIR)/bin/sluice SLUICE_CRASH_ROUNDS=$${SLUICE_CRASH_ROUNDS:-100} go test ./test/crash -count=1 -v -timeout 30m

sim: ## Play a thousand years of programs against the books; SIM_YEARS and SIM_SEED ask for others
	go test ./test/sim -count=1 -v -timeout 60m

test-browser: build ## Use the dashboard in a real browser, and walk from a click to a payout (needs Chromium and Redis)
	@scripts/needs-chromium.sh
	@scripts/needs-command.sh redis-server redis-server "nodes share their links through it"
	@go build -o bin/walk ./test/walk
	@cd web && SLUICE_BIN=$(CURDIR)/bin/sluice SLUICE_WALK=$(CURDIR)/bin/walk npm run --silent test:browser

cluster: build ## Run an installation of many nodes on this machine, with real servers, until Ctrl-C
	@scripts/needs-command.sh haproxy haproxy "clusters are tested behind it"
	@go build -o bin/cluster ./test/cluster && exec bin/cluster $(CLUSTER)

drills: binary ## Break every part of such an installation in turn and account for every click (an hour)
	@scripts/needs-command.sh haproxy haproxy "clusters are tested behind it"
	SLUICE_BIN=$(CURDIR)/bin/sluice SLUICE_DRILLS=$${SLUICE_DRILLS:-60s} go test ./test/cluster -run TestLongDrills -count=1 -v -timeout 3h

engines: ## Start Redis, RabbitMQ, Kafka, PostgreSQL and ClickHouse on loopback for the tests; scripts/engines.sh stop ends them
	@scripts/engines.sh start

fmt: ## Format the Go sources
	gofmt -w cmd internal test scripts

clean: ## Remove what was built and fetched; ./data stays
	rm -rf bin coverage.out web/node_modules edge/node_modules geodata/node_modules
	find internal/web/dist internal/export/edge/dist internal/geo/data -mindepth 1 -not -name .keep -delete

# The steps behind them.

needs:
	@scripts/needs.sh

geo: needs
	@scripts/fetch-geo.sh

ifneq ($(wildcard web/package.json),)
dashboard: $(dashboard)
$(dashboard): web/node_modules/.package-lock.json $(dashboard_sources)
	@cd web && npm run --silent build
	@touch $@
web/node_modules/.package-lock.json: web/package.json web/package-lock.json | needs
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
else
dashboard:
endif

edge: $(worker)
$(worker): edge/node_modules/.package-lock.json $(worker_sources)
	@cd edge && npm run --silent build
	@touch $@
edge/node_modules/.package-lock.json: edge/package.json edge/package-lock.json | needs
	@cd edge && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

binary: needs geo dashboard edge
	@go build -ldflags "-X main.release=$(VERSION)" -o bin/sluice ./cmd/sluice

lint-shell:
	@for script in .ci/run scripts/*.sh scripts/engines/*.sh; do bash -n "$$script" || exit 1; done

lint-go: geo dashboard
	@scripts/lint-go.sh

lint-web: dashboard edge
	@if [ -f web/package.json ]; then cd web && npm run --silent lint; fi
	@cd edge && npm run --silent lint

test-go: geo dashboard binary
	@scripts/test-go.sh

test-web: dashboard
	@if [ -f web/package.json ]; then cd web && npm test --silent; fi

test-edge: edge geo dashboard
	@scripts/needs-command.sh njs njs "the CloudFront Function is run in it"
	@cd edge && npm test --silent
