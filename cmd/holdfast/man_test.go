package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const manDir = "../../docs/man"

// TestManPages: the pages in docs/man are those of the commands as they are.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if status := run(t.Context(), []string{"man", dir}, os.Stdout, os.Stderr); status != 0 {
		t.Fatal(status)
	}
	pages := func(dir string) map[string]string {
		files, _ := filepath.Glob(filepath.Join(dir, "*.1"))
		texts := make(map[string]string)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.Base(file)] = string(text)
		}
		return texts
	}
	made, kept := pages(dir), pages(manDir)
	for name, text := range made {
		if kept[name] != text {
			t.Errorf("%s is not current: run \"make docs\"", name)
		}
	}
	for name, text := range made {
		for _, wrong := range []string{"[=", `\fP=`, "(default 0"} {
			if strings.Contains(text, wrong) {
				t.Errorf("%s: an option is shown with %q", name, wrong)
			}
		}
	}
	for _, want := range []string{"--wait\\fP \\fIDURATION\\fP\n\twait for", "--conflict-exit-code\\fP \\fISTATUS\\fP", "(default 75)", "(default 15s)", "--no-wait\\fP\n"} {
		if !strings.Contains(made["holdfast-run.1"], want) {
			t.Errorf("holdfast-run.1 has no %q", want)
		}
	}
	if len(made) != len(kept) || made["holdfast-run.1"] == "" {
		t.Errorf("%d pages, %d in %s", len(made), len(kept), manDir)
	}
}

func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out bytes.Buffer
		if status := run(t.Context(), []string{"completion", shell}, &out, os.Stderr); status != 0 || !strings.Contains(out.String(), "holdfast") {
			t.Errorf("%s: status %d, %d bytes", shell, status, out.Len())
		}
	}
	for want, args := range map[string][]string{"on-failure": {"lead", "--restart", ""}, "inspect": {"ins"}, "handovers": {"top", "--sort", ""}} {
		var out bytes.Buffer
		run(t.Context(), append([]string{"__complete"}, args...), &out, &out)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is completed by %q", args, out.String())
		}
	}
}
