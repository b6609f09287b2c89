#!/usr/bin/env bash
# lib.sh: what the findings share; sourced by them.
#
#   begin TITLE       makes the temporary folder $dir, which goes with the script, and starts
#                     redis-server, as Debian packages it, on a free port: $addr
#   go_program MODULE@VERSION...   builds main.go, read from stdin, with these modules: $dir/program
#   expect PATTERN    reads the output seen, prints it, and fails unless each line that is
#                     wanted (an extended regular expression) is in it
set -euo pipefail

begin() {
	echo "$1"
	dir=$(mktemp -d)
	trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
	if ! command -v redis-server >/dev/null; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >/dev/null
	fi
	local try
	for try in $(seq 10); do
		port=$((20000 + RANDOM % 10000))
		redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/redis.log" 2>&1 &
		server=$!
		sleep 0.1
		for _ in $(seq 50); do
			grep -q 'Ready to accept' "$dir/redis.log" 2>/dev/null && break 2
			kill -0 "$server" 2>/dev/null || break
			sleep 0.1
		done
	done
	addr=127.0.0.1:$port
	redis-server --version | cut -d' ' -f1-3
}

go_program() {
	cat >"$dir/main.go"
	printf 'module finding\n\ngo 1.25\n' >"$dir/go.mod"
	(cd "$dir" && go get "$@" && go mod tidy && go build -o program .) >"$dir/go.log" 2>&1 || { cat "$dir/go.log"; exit 1; }
	echo "with $*"
}

expect() {
	local seen wanted bad=0
	seen=$(cat)
	echo "Seen:"
	sed 's/^/  /' <<<"$seen"
	for wanted; do
		grep -Eq "$wanted" <<<"$seen" || { echo "This has changed: no line matches $wanted"; bad=1; }
	done
	return $bad
}
