//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/proof"
	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) {
	proof.ChildMain(libraries...)
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m)
}

// TestCommand: a short run of the command reports what it did and finds nothing.
func TestCommand(t *testing.T) {
	var out, said bytes.Buffer
	file := t.TempDir() + "/proof.md"
	err := run([]string{"-deploy", "single", "-for", "1s", "-strikes", "5s", "-workers", "3", "-clients", "5", "-locks", "10",
		"-out", t.TempDir(), "-md", file}, &out, &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != out.String() {
		t.Errorf("the file does not hold what was printed: %v", err)
	}
	for _, want := range []string{"| **overlap** | 0 | 0 |", "| **not linearizable** | 0 | 0 |", "-seed "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// TestParse: each deployment runs without the failover grace, with it, or both; a library that has none
// is refused.
func TestParse(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-deploy", "aof,moved"}, "[aof moved]"},
		{[]string{"-deploy", "cluster", "-grace", "yes"}, "[cluster, grace]"},
		{[]string{"-deploy", "rdb,single", "-grace", "both"}, "[rdb rdb, grace single single, grace]"},
		{[]string{"-grace", "on"}, `-grace "on" is none of no, yes, both`},
		{[]string{"-deploy", "redis"}, `-deploy "redis" is none of ` + strings.Join(proof.Deployments, ", ")},
		{[]string{"-contender", "rueidislock", "-deploy", "single", "-grace", "both"}, "-contender rueidislock has no failover grace"},
		{[]string{"-contender", "rueidislock"}, "-contender rueidislock goes with -deploy single"},
	} {
		o, err := parse(test.args, io.Discard)
		got := fmt.Sprint(o.deploy)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: %s, want %s", test.args, got, test.want)
		}
	}
}

// TestSeesAnOverlap: the checker, and porcupine, find the two owners that rueidislock has when
// a holder is cut off, and write down their history.
func TestSeesAnOverlap(t *testing.T) {
	var out, said bytes.Buffer
	dir := t.TempDir()
	err := run([]string{"-contender", "rueidislock", "-deploy", "single", "-for", "20s", "-strikes", "8s", "-workers", "3",
		"-clients", "5", "-locks", "10", "-faults", "black-holed", "-out", dir}, &out, &said)
	if err == nil {
		t.Fatalf("nothing found:\n%s", out.String())
	}
	if strings.Contains(out.String(), "| **overlap** | 0 |") {
		t.Errorf("no overlap:\n%s", out.String())
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	shown, drawn := false, false
	for _, f := range files {
		text, err := os.ReadFile(dir + "/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		shown = shown || strings.HasSuffix(f.Name(), ".txt") && strings.HasPrefix(string(text), "overlap of") && strings.Contains(string(text), "fault begins: ")
		drawn = drawn || strings.HasSuffix(f.Name(), ".html")
	}
	if !shown || !drawn {
		t.Errorf("%d files, an overlap to read: %v, a picture: %v\n%s", len(files), shown, drawn, said.String())
	}
}
