package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		childMain()
	}
	goleak.VerifyTestMain(m)
}

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv(redistest.RequireEnv) == "1" {
			t.Fatalf("%v, but %s=1", redistest.ErrNoRedis, redistest.RequireEnv)
		}
		t.Skip(redistest.ErrNoRedis)
	}
}

// TestQuick runs a workload of each kind. Whether a library is fast is not its matter.
func TestQuick(t *testing.T) {
	needRedis(t)
	var stdout, stderr bytes.Buffer
	md, svg := filepath.Join(t.TempDir(), "out.md"), filepath.Join(t.TempDir(), "out.svg")
	args := []string{"-quick", "-held", "50", "-md", md, "-svg", svg,
		"-run", "^(serial|serial-burst|one-lock|processes|semaphore|semaphore-processes|hand-off|cut-off|deleted|held)$"}
	if err := run(t.Context(), args, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	t.Logf("%s", &stdout)
	written, err := os.ReadFile(md)
	if err != nil || string(written) != stdout.String() {
		t.Errorf("-md wrote something else than was printed: %v", err)
	}
	if !strings.Contains(stdout.String(), "`go -C bench run . -quick -held 50 -md "+md) {
		t.Error("the report doesn't say by which command it was made")
	}
	if strings.Contains(stdout.String(), "Seen in this run") {
		t.Errorf("something went wrong:\n%s", &stderr)
	}
	table := readTable(t, stdout.String())
	some := func(v float64) bool { return v > 0 }
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	all := []string{ours, "rueidislock", "redislock", "redsync"}
	semaphored := []string{ours, baseline}
	if nodeMissing() == "" {
		semaphored = append(semaphored, nodejs)
	} else if !strings.Contains(stdout.String(), "- **redis-semaphore**: skipped, because ") {
		t.Error("the report doesn't say why redis-semaphore is left out")
	}
	told, fencing := all[:2], []string{ours, "redislock"}
	for _, want := range []struct {
		row  string
		who  []string
		sane func(float64) bool
	}{
		{"one caller, loopback", append(all, baseline), some},
		{"one caller, loopback, each with a fence", fencing, some},
		{"one caller, loopback, in bursts", append(all, baseline), some},
		{"one caller, loopback, in bursts, each with a fence", fencing, some},
		{"64 goroutines, 1 lock", all, some},
		{"4 processes × 8, 1 lock", all, some},
		{"… fewest ÷ most of a process", all, share},
		{"… mean wait", all, some},
		{"… p99 wait ÷ mean", all, some},
		{"64 goroutines, 8 permits", semaphored, some},
		{"4 processes × 16, 8 permits", semaphored, some},
		// The grant can't be faster than the release's way to the server and the answer's back.
		{"hand-off between processes", all, func(v float64) bool { return v > 0.9 && v < 50 }},
		{"… p99", all, func(v float64) bool { return v > 0.9 && v < 100 }},
		{"a stranger's DEL", told, some},
		{"… at worst", told, some},
		{"50 locks held", all, some},
		{"… CPU of the client", all, some},
		{"… CPU of the server", all, func(v float64) bool { return v >= 0 }},
		{"… memory", all, some},
		{"… goroutines", all, func(v float64) bool { return v >= 0 && v < 10 }},
		{"… lost", all, func(v float64) bool { return v == 0 }},
	} {
		for _, lib := range want.who {
			if v := table.value(t, want.row, lib); !want.sane(v) {
				t.Errorf("%s, %s: %v makes no sense", want.row, lib, v)
			}
		}
	}
	if c := table.cell(t, "holder cut off", ours); !strings.HasPrefix(c, "none") {
		t.Errorf("two owners, cut off: %s", c)
	}
	for _, lib := range []string{"redislock", "redsync"} {
		if c := table.cell(t, "a stranger's DEL", lib); c != neverTold {
			t.Errorf("%s has no signal, but: %s", lib, c)
		}
	}
	picture, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, picture)
}

// table is a report's, with the columns' names first.
type table [][]string

func readTable(t *testing.T, report string) (rows table) {
	t.Helper()
	for line := range strings.Lines(report) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("no table in:\n%s", report)
	}
	for _, r := range rows {
		if len(r) != len(rows[0]) {
			t.Errorf("row %q has %d cells, the head %d", r, len(r), len(rows[0]))
		}
	}
	return rows
}

func (rows table) cell(t *testing.T, row, column string) string {
	t.Helper()
	c := slices.Index(rows[0], column)
	for _, r := range rows {
		if c > 0 && strings.HasPrefix(r[1], row) {
			return r[c]
		}
	}
	t.Errorf("no cell for %q and %q", row, column)
	return ""
}

func (rows table) value(t *testing.T, row, column string) float64 {
	t.Helper()
	cell := rows.cell(t, row, column)
	first, _, _ := strings.Cut(cell, " ")
	v, err := strconv.ParseFloat(strings.ReplaceAll(first, ",", ""), 64)
	if err != nil {
		t.Errorf("%s, %s: %q is no number", row, column, cell)
	}
	return v
}

func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is no XML: %v\n%s", err, text)
		}
	}
	if n := len(regexp.MustCompile(`<rect`).FindAll(text, -1)); n < 10 || bytes.Contains(text, []byte("NaN")) {
		t.Errorf("the plot has %d bars:\n%s", n, text)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"-run", "nothing like it"}, {"-run", "("}, {"-seconds", "0"}, {"-rounds", "101"}, {"-held", "100001"}, {"more"}} {
		if args[1%len(args)] == "nothing like it" {
			needRedis(t)
		}
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
