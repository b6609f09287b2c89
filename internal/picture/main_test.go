package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDraw(t *testing.T) {
	var out strings.Builder
	if err := draw(&out, strings.NewReader("a<b \x1b[1;31mred\x1b[0m\n\x1b[7m x \x1b[0m日本 y\n")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`textLength="33.6" xml:space="preserve" fill="#d0d7de">a&lt;b </text>`,
		`<text x="45.6" y="25.0" textLength="25.2" xml:space="preserve" fill="#ff7b72" font-weight="bold">red</text>`,
		`<rect x="12.0" y="30.0" width="25.2" height="18.0" fill="#d0d7de"/>`,
		`textLength="50.4" xml:space="preserve" fill="#d0d7de">日本 y</text>`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
	d := xml.NewDecoder(strings.NewReader(out.String()))
	for range 100 {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := draw(io.Discard, strings.NewReader("\x1b[2J no style")); err != nil {
		t.Log(err)
	}
	if err := draw(io.Discard, strings.NewReader("x\x1b[2J")); err == nil {
		t.Error("an escape sequence that is no style is accepted")
	}
}
