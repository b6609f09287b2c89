.DEFAULT_GOAL := help
.PHONY: help demo docs test race semaphore scale check fuzz mutants proof servers interop findings capacity ci

FUZZTIME ?= 10s
PROOFTIME ?= 10m

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## three workers lead in turn, on an embedded Redis
	go run ./cmd/holdfast demo

docs: ## the manual pages, from the commands, and docs/rules.md, from internal/mutants
	go run ./cmd/holdfast man docs/man
	go run ./internal/mutants -list > docs/rules.new && mv docs/rules.new docs/rules.md

test: ## the tests; those that need redis-server or redis-py say so and are skipped without
	go test -parallel 16 ./...

race: ## the full set under the race detector, real servers required
	go build -race ./...
	HOLDFAST_TEST=full HOLDFAST_REQUIRE_REDIS=1 go test -race -p 1 -parallel 4 -timeout 30m ./...

semaphore: ## the tests of the mutex on a semaphore of one permit
	HOLDFAST_TEST_PERMITS=1 HOLDFAST_REQUIRE_REDIS=1 go test -parallel 16 -timeout 20m .

scale: ## the largest tests, which the race detector makes small, in full
	HOLDFAST_TEST=full go test -timeout 30m -run '^(TestScale(Held|Pressure)|TestWaiting(Cancelled|TimedOut|LateGrant|LeftBehind|ManyNames))$$' .
	HOLDFAST_TEST=full go test -timeout 30m ./internal/model

check: ## gofmt, go vet (also for other systems) and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

fuzz: ## each fuzz target for FUZZTIME (10s)
	go test -run '^$$' -fuzz '^FuzzOptions$$' -fuzztime $(FUZZTIME) .
	go test -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME) ./internal/store
	go test -run '^$$' -fuzz '^FuzzSecretURL$$' -fuzztime $(FUZZTIME) ./cmd/holdfast
	go test -run '^$$' -fuzz '^FuzzRefusal$$' -fuzztime $(FUZZTIME) ./cmd/holdfast
	go test -run '^$$' -fuzz '^FuzzCheck$$' -fuzztime $(FUZZTIME) ./cmd/holdfast

mutants: ## break one safety rule at a time: the tests must notice each
	go run ./internal/mutants

proof: ## faults on every deployment for PROOFTIME (10m), checked
	go -C proof run . -for $(PROOFTIME)

servers: ## other versions of Redis and Valkey: the tests and 90 s of the proof on each; docs/servers.md
	go run ./internal/servers -md docs/servers.md

interop: ## real lock libraries of Python, Node, PHP and Go beside Holdfast, on one key; docs/interop.md
	go -C interop run . -md ../docs/interop.md

findings: ## run each finding, and say which no longer holds; needs the network, and is no part of CI
	findings/all

capacity: ## how far one server and one process go, for most of an hour; docs/capacity.md
	go -C bench run . -capacity -data capacity.json -md ../docs/capacity.md

ci: ## what CI runs; installs by apt-get what is missing
	bash .ci/run
