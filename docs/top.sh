#!/usr/bin/env bash
# Makes docs/top.svg: "holdfast top" in a real terminal (tmux, 80x24), over locks that programs
# take in turn, one of which dies. It needs redis-server and tmux, and takes half a minute.
set -euo pipefail
set -m # each job in a process group of its own, to be ended as one
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
port=17399
export REDIS_URL=redis://127.0.0.1:$port
pids=()
finish() {
	tmux -L "holdfast-$$" kill-server 2>/dev/null || true
	touch "$dir/stop"
	for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
	wait
	rm -rf "$dir"
}
trap finish EXIT

go build -o "$dir/holdfast" ./cmd/holdfast
redis-server --port $port --bind 127.0.0.1 --save '' --dir "$dir" >/dev/null &
pids+=($!)
until redis-cli -p $port ping >/dev/null 2>&1; do sleep 0.1; done

turns() { # turns NAME SECONDS HOSTS...: each host takes the lock again and again
	local name=$1 seconds=$2 host
	shift 2
	for host; do
		while [ ! -e "$dir/stop" ]; do
			"$dir/holdfast" run --label "$host" "$name" -- sleep "$seconds"
		done >/dev/null 2>&1 &
		pids+=($!)
	done
}
turns jobs:billing 0.3 web-1:4711 web-2:3120 web-3:998
turns jobs:mail 0.7 web-1:4713 web-2:3121
turns jobs:thumbnails 0.15 worker-1:88 worker-2:91 worker-3:90 worker-4:93
turns deploy 600 ci-7:20211 ci-9:20307
turns backup:nightly 600 db-1:1207
redis-cli -p $port set legacy:import x px 480000 >/dev/null
turns legacy:import 600 web-2:3125
"$dir/holdfast" run --ttl 5s --grace 1s --label cron-1:377 report:weekly -- sleep 600 &
dies=$!
sleep 1 # it is the first
turns report:weekly 600 cron-2:381

tmux -L "holdfast-$$" new-session -d -x 80 -y 24 -s top "$dir/holdfast top --sort handovers"
sleep 6
kill -9 $dies
wait $dies 2>/dev/null || true
sleep 10
tmux -L "holdfast-$$" capture-pane -e -N -p -t top | go run ./internal/picture >"$dir/top.svg"
mv "$dir/top.svg" docs/top.svg
