package operr

import (
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWrap(t *testing.T) {
	extend := Wrap("extend", "a", io.EOF)
	for _, c := range []struct {
		err  error
		want string
	}{
		{extend, `holdfast: extend "a": EOF`},
		{Wrap("extend", "a", extend), `holdfast: extend "a": EOF`},
		{Wrap("release", "a", extend), `holdfast: release "a": EOF`},
		{Wrap("release", "b", extend), `holdfast: release "b": holdfast: extend "a": EOF`},
		{Wrap("release", strings.Repeat("x", 121), io.EOF), `holdfast: release "` + strings.Repeat("x", 120) + `"… (121 bytes): EOF`},
	} {
		if c.err.Error() != c.want {
			t.Errorf("%q, want %q", c.err, c.want)
		}
		if !errors.Is(c.err, io.EOF) {
			t.Errorf("%q does not wrap its cause", c.err)
		}
	}
	if again := Wrap("extend", "a", extend); again != extend {
		t.Errorf("an error that says it all was wrapped: %q", again)
	}
	if err := Wrap("extend", "a", nil); err != nil {
		t.Errorf("nil became %q", err)
	}
}

func TestJoin(t *testing.T) {
	wrapped := Wrap("release", "a", io.EOF)
	for _, c := range []struct{ err, more, want error }{
		{nil, nil, nil},
		{io.EOF, nil, io.EOF},
		{nil, io.EOF, io.EOF},
		{nil, wrapped, wrapped},
		{io.EOF, io.EOF, io.EOF},
		{io.EOF, wrapped, io.EOF},
		{wrapped, io.EOF, wrapped},
	} {
		if got := Join(c.err, c.more); got != c.want {
			t.Errorf("Join(%v, %v) = %v, want %v", c.err, c.more, got, c.want)
		}
	}
	if both := Join(io.ErrNoProgress, wrapped); !errors.Is(both, io.ErrNoProgress) || !errors.Is(both, io.EOF) {
		t.Errorf("%q lacks one of its two", both)
	}
}
