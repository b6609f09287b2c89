package main

import (
	"bytes"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

// beMain makes this test binary the command itself, so that tests can start it,
// and the demo its workers.
const beMain = "HOLDFAST_TEST_BE_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		main()
	}
	logging.Disable() // as main does
	heedIgnored()
	goleak.VerifyTestMain(m)
}

// heedIgnored has this process swallow the signals that whoever started the tests, such as nohup,
// ignores. The processes that it starts would ignore them, too; now they begin with the default
// action.
func heedIgnored() {
	for n := syscall.Signal(1); n < 32; n++ {
		if signal.Ignored(n) {
			signal.Notify(make(chan os.Signal, 1), n)
		}
	}
}

func TestWrongUse(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"dem"}, `unknown command "dem"; did you mean "demo"?`},
		{[]string{"--bogus"}, "unknown flag: --bogus"},
		{[]string{"demo", "--bogus"}, "unknown flag: --bogus"},
		{[]string{"demo", "x"}, `holdfast demo takes no arguments, got "x"`},
		{[]string{"demo", "--ttl", "soon"}, `invalid argument "soon" for "--ttl"`},
		{[]string{"demo", "--ttl", "499ms"}, "--ttl 499ms is out of range: 500ms to 5s"},
		{[]string{"demo", "--ttl", "6s"}, "--ttl 6s is out of range: 500ms to 5s"},
		{[]string{"demo", "--redis", "http://localhost"}, "--redis is not a Redis URL"},
		{[]string{"demo", "--redis", "redis://:secret@host:port"}, "--redis is not a Redis URL"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), tc.args, &stdout, &stderr)
			if status != statusUsage {
				t.Errorf("status %d, want %d", status, statusUsage)
			}
			if got := stderr.String(); !strings.Contains(got, tc.want) || !strings.Contains(got, "--help' for usage") {
				t.Errorf("stderr %q, want %q and where to find help", got, tc.want)
			}
			if strings.Contains(stderr.String(), "secret") {
				t.Errorf("stderr %q shows the password", stderr.String())
			}
			if stdout.Len() != 0 {
				t.Errorf("stdout %q, want nothing", stdout.String())
			}
		})
	}
}

func TestHelpIsOnStdoutWithStatusZero(t *testing.T) {
	all := [][]string{{}, {"--help"}, {"help"}, {"help", "demo"}}
	for _, cmd := range newRootCommand().Commands() {
		if cmd.Runnable() && !cmd.Hidden {
			all = append(all, []string{cmd.Name(), "--help"})
		}
	}
	for _, args := range all {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 0 {
			t.Errorf("%q: status %d, want 0", args, status)
		}
		if got := stdout.String(); !strings.Contains(got, "Usage:") || strings.Contains(got, "demo-worker") {
			t.Errorf("%q: stdout %q, want a usage without hidden commands", args, got)
		}
		for line := range strings.Lines(stdout.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > screenWidth {
				t.Errorf("%q: a line of help has %d columns: %q", args, n, line)
			}
		}
		if stderr.Len() != 0 {
			t.Errorf("%q: stderr %q, want nothing", args, stderr.String())
		}
	}
}
