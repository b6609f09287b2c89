package scripts

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// all is the scripts, by the name of the file with their head.
var all = map[string]*Script{
	"acquire": Acquire, "acquire_all": AcquireAll, "release": Release, "force": Force, "inspect": Inspect, "resume": Resume, "free": Free,
	"renew": Renew, "extend": Extend, "check": Check, "announce": Announce, "drop": Drop, "touch": Touch,
	"look":            Look,
	"permits_acquire": Permits.Acquire, "permits_resume": Permits.Resume, "permits_renew": Permits.Renew, "permits_extend": Permits.Extend,
	"permits_check": Permits.Check, "permits_announce": Permits.Announce, "permits_release": Permits.Release,
	"permits_inspect": Permits.Inspect, "permits_free": Permits.Free, "permits_force": Permits.Force,
}

// graces is the scripts that a Locker with a failover grace has instead of those of that name.
var graces = map[string]*Script{
	"acquire": GracedMutex.Acquire, "release": GracedMutex.Release, "force": GracedMutex.Force, "resume": GracedMutex.Resume,
	"permits_acquire": GracedPermits.Acquire, "permits_release": GracedPermits.Release, "permits_force": GracedPermits.Force,
	"permits_resume": GracedPermits.Resume,
}

// each calls f for each script there is.
func each(f func(name string, s *Script)) {
	for name, s := range all {
		f(name, s)
	}
	for name, s := range graces {
		f(name+" with a grace", s)
	}
	for s, younger := range Younger {
		for name, of := range all {
			if of == s {
				f(name+" beside an older history", younger)
			}
		}
	}
}

// sources returns the text of each file, by its name without .lua.
func sources(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.lua")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	texts := make(map[string]string)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(name, ".lua")] = string(text)
	}
	return texts
}

// TestLoads: servers accept each script, and call it by the hash that we do.
func TestLoads(t *testing.T) {
	for what, client := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		each(func(name string, s *Script) {
			if hash, err := client.ScriptLoad(t.Context(), s.Source).Result(); err != nil || hash != s.Hash {
				t.Errorf("%s, %s: %v: the server says %s, we say %s", what, name, err, hash, s.Hash)
			}
		})
	}
}

// TestFiles: the name of a file tells what it is. A script has its own head, parts are in a script.
func TestFiles(t *testing.T) {
	var scripts []string
	for name, text := range sources(t) {
		if !strings.HasPrefix(text, "-- "+name+": ") {
			t.Errorf("%s.lua does not begin with its name", name)
		}
		in := 0
		for _, s := range all {
			if strings.Contains(s.Source, text) {
				in++
			}
		}
		graced := slices.ContainsFunc(slices.AppendSeq(slices.Collect(maps.Values(graces)), maps.Values(Younger)), func(s *Script) bool {
			return strings.Contains(s.Source, text)
		})
		if in == 0 && !graced {
			t.Errorf("%s.lua is in no script", name)
		}
		if !strings.HasPrefix(name, "lib_") && !strings.HasSuffix(name, "_rest") {
			scripts = append(scripts, name)
			if all[name] == nil || in != 1 {
				t.Errorf("%s.lua has the name of a script, and is in %d", name, in)
			}
		}
	}
	if len(scripts) != len(all) {
		t.Errorf("%d files have names of scripts: %q; there are %d scripts", len(scripts), scripts, len(all))
	}
}

var (
	argument = regexp.MustCompile(`ARGV\[\d\]`)
	function = regexp.MustCompile(`local function (\w+)\(`)
)

// head returns the comment at the top of a script, and code the script without comments.
func head(text string) (top string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "--") {
			break
		}
		top += line
	}
	return top
}

func code(text string) string {
	return regexp.MustCompile(`--.*`).ReplaceAllString(text, "")
}

// TestHeads: each script says what its keys, arguments and replies are, and whether running it
// again is safe.
func TestHeads(t *testing.T) {
	texts := sources(t)
	for name := range all {
		head := head(texts[name])
		for what, form := range map[string]string{
			"its keys":                         `(?m)^-- (KEYS|.*NAME.*: see lib_layout\.lua)`,
			"its replies":                      `(?m)^-- Replies \{`,
			"whether running it again is safe": `(?i)running it again[^.]* is (NOT )?safe`,
		} {
			if !regexp.MustCompile(form).MatchString(head) {
				t.Errorf("%s.lua does not say %s", name, what)
			}
		}
		for _, part := range []string{name, name + "_rest"} {
			for _, arg := range argument.FindAllString(code(texts[part]), -1) {
				// ARGV[5] may be among "ARGV[4]…".
				if !strings.Contains(head, arg) && !strings.Contains(head, "…") {
					t.Errorf("%s.lua uses %s, which the head does not name", part, arg)
				}
			}
		}
	}
}

// TestParts: each function of a part is there before a script uses it. And a script has no part in
// front of it of which it uses nothing: to make a function costs Redis as much as a command.
func TestParts(t *testing.T) {
	texts := sources(t)
	each(func(name string, s *Script) {
		source := code(s.Source)
		var defined []string
		for part, text := range texts {
			functions := function.FindAllStringSubmatch(code(text), -1)
			uses := 0
			for _, f := range functions {
				calls := regexp.MustCompile(`\b`+f[1]+`\(`).FindAllStringIndex(source, -1)
				if len(calls) == 0 {
					continue
				}
				defined = append(defined, f[1])
				if first := source[:calls[0][0]]; !strings.HasSuffix(first, "local function ") {
					t.Errorf("%s uses %s of %s.lua, which is not in front of it", name, f[1], part)
				}
				uses += len(calls) - 1
			}
			if len(functions) > 0 && uses == 0 && strings.Contains(s.Source, text) {
				t.Errorf("%s has %s.lua in front of it, and uses none of its functions", name, part)
			}
		}
		slices.Sort(defined)
		if twice := slices.Compact(slices.Clone(defined)); len(twice) != len(defined) {
			t.Errorf("%s has two functions of the same name: %q", name, defined)
		}
	})
}
