package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestParse: the servers that are named, or all; one that there is not is refused.
func TestParse(t *testing.T) {
	dirs := []string{"-cache", t.TempDir(), "-log", t.TempDir()}
	o, err := parse(append(dirs, "valkey-9.1", "redis-6.0"))
	if err != nil || len(o.chosen) != 2 || o.chosen[0].name != "redis-6.0" || o.proof != 90*time.Second || !o.suite {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = parse(dirs); err != nil || len(o.chosen) != len(releases) {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err = parse(append(dirs, "redis-5.0")); err == nil || !strings.Contains(err.Error(), `"redis-5.0" is none of redis-6.0, `) {
		t.Errorf("redis-5.0: %v", err)
	}
}

// TestRead: what passes, fails and can't be run is counted, by test and part; what is the same with every
// server is not.
func TestRead(t *testing.T) {
	const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA/fake","Output":"    a_test.go:7: no server takes part\n"}
{"Action":"skip","Package":"p","Test":"TestA/fake"}
{"Action":"fail","Package":"p","Test":"TestA/real"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"=== RUN   TestC\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: Redis 6.0.16 lacks rights to channels\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
FAIL	p [build failed]
{"Action":"fail","Package":"p"}
`
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	got := &tests{Skipped: make(map[string]string)}
	failed := got.read(bufio.NewScanner(strings.NewReader(events)), log)
	if want := []string{"p TestA", "p TestA/real"}; !slices.Equal(failed, want) || !slices.Equal(tops(failed), want[:1]) {
		t.Errorf("failed: %q, of these tests: %q", failed, tops(failed))
	}
	if !slices.Equal(got.Passed, []string{"p TestB"}) || len(got.Skipped) != 1 || got.Skipped["p TestC"] != "Redis 6.0.16 lacks rights to channels" {
		t.Errorf("%+v", got)
	}
}

// TestMarkdown: the report says what was found, what failed, and which server could not be had.
func TestMarkdown(t *testing.T) {
	faults := map[string]struct{ Strikes, Failed int }{"SENTINEL FAILOVER": {3, 1}, "Cluster failover on demand": {2, 0}, "slot migrated at once (" + atOnce + ")": {5, 0}}
	good := &result{
		release: &releases[5], Version: "Valkey 9.1.2", Answers: map[string]string{migrateSlots: "yes"},
		Tests: &tests{Passed: []string{"p TestA", "p TestLeastRights"}, Again: []string{"p TestA"}, Skipped: map[string]string{"p TestC": "Valkey 9.1.2 lacks legs"}},
		Proof: &counts{Operations: 1000, Found: map[string]int{"overlap": 0}, Faults: faults},
		Slots: &counts{Found: map[string]int{"overlap": 0}, Faults: faults},
	}
	bad := &result{
		release: &releases[0], Version: "Redis 6.0.16", Answers: map[string]string{migrateSlots: "no"},
		Tests: &tests{Passed: []string{"p TestA"}, Failed: []string{"p TestLeastRights"}},
		Proof: &counts{Found: map[string]int{"overlap": 2}, Faults: faults},
	}
	gone := &result{release: &releases[1], Missing: "no mirror"}
	dir := t.TempDir()
	for _, r := range []*result{good, bad, gone} {
		r.Args = []string{"-proof", "9s"}
		if err := r.keep(dir); err != nil {
			t.Fatal(err)
		}
	}
	results, err := kept(dir)
	if err != nil || len(results) != 3 {
		t.Fatalf("%d results are kept, %v", len(results), err)
	}
	text := markdown(results)
	for _, want := range []string{
		"- redis-6.0: `go run ./internal/servers -proof 9s` on ",
		"| Valkey 9.1.2 | forky | 2 passed, 1 of them only by themselves, 1 can't be run there | nothing found in 1000 operations under 10 faults | 5 (1) times, nothing found | 5 times, nothing found | 1 passed |",
		"| Redis 6.0.16 | bullseye | **1 failed**, 1 passed | **2 found**: map[overlap:2]; without the deployments brisk, min-replicas, which need SENTINEL DEBUG | 5 (1) times, **something found** | not on this server | **1 failed**, 0 passed |",
		"| redis-7.0 | bookworm: not to be had | – |",
		"| " + migrateSlots + " | no | yes |",
		"- Valkey 9.1.2 lacks legs: `TestC`\n",
		"- **failed** on Redis 6.0.16: `TestLeastRights`\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestAsk: the server that tests run on answers all questions.
func TestAsk(t *testing.T) {
	redistest.Start(t).Kill() // skips without redis-server
	var r result
	if err := r.ask(context.Background()); err != nil {
		t.Fatal(err)
	}
	name, version, _ := strings.Cut(r.Version, " ")
	if (name != "Redis" && name != "Valkey") || version == "" {
		t.Errorf("the server is %q", r.Version)
	}
	for _, q := range questions {
		if answer := r.Answers[q.what]; answer == "" || strings.HasPrefix(answer, "ERR") {
			t.Errorf("%s: %q", q.what, answer)
		}
	}
}

// TestNoApt: without apt the error says what is missing.
func TestNoApt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	err := releases[0].get(cache)
	if err == nil || !strings.Contains(err.Error(), "redis-server of Debian's bullseye: this needs a Debian machine") {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(cache); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
