//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// cron: machines that start 300 ms apart run the report once, and none says a word; a report
// that fails says so, and its status is cron's.
func (d *desk) cron(line string) {
	line = strings.TrimSpace(line[len("0 3 * * *"):])
	if strings.Contains(line, "%") {
		d.t.Errorf("cron takes the %% of %q for a line break", line)
	}
	env := []string{"PATH=/usr/bin:/bin", "SHELL=/bin/sh", "HOME=" + d.dir, "LOGNAME=nobody"}
	for range 3 {
		tl := d.shell(line, env...).start()
		tl.want(0, "")
		if tl.out() != "" {
			d.t.Errorf("it says %q", tl.out())
		}
		time.Sleep(300 * time.Millisecond)
	}
	d.wasCalled("report")
	d.write("bin/fails", "")
	d.write("bin/says", "no data\n")
	if err := d.locks.Mutex("report").ForceRelease(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	tl := d.shell(line, env...).start()
	tl.want(3, "")
	if tl.out() != "no data\n" {
		d.t.Errorf("it says %q", tl.out())
	}
}

// unit: what the line enables is in docs and is what systemd takes, and its command does what
// it is for.
func (d *desk) unit(line string) {
	name := line[strings.LastIndex(line, " ")+1:]
	template, program, _ := strings.Cut(strings.TrimSuffix(name, filepath.Ext(name)), "@")
	units := readUnits(d.t, template)
	if units[filepath.Ext(name)]["WantedBy"] == "" {
		d.t.Errorf("%s can't be enabled: it has no [Install] section", name)
	}
	service := units[".service"]
	command := strings.NewReplacer("%i", program, "%H", "machine-a").Replace(service["ExecStart"])
	environment, err := os.ReadFile(d.here(service["EnvironmentFile"]))
	if err != nil {
		d.t.Fatal(err)
	}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", strings.TrimSpace(string(environment))}
	clean := strings.Fields(service["SuccessExitStatus"])
	if service["Type"] != "oneshot" {
		if status := d.leads(d.shell("exec "+command, env...).start(), program); !slices.Contains(clean, fmt.Sprint(status)) {
			d.t.Errorf("systemd takes status %d for a failure: a success is %q", status, clean)
		}
		return
	}
	d.shell(command, env...).start().want(0, "")
	second := d.shell(command, env...).start()
	if status := second.wait(); !slices.Contains(clean, fmt.Sprint(status)) {
		d.t.Errorf("systemd takes the second machine's status %d for a failure: a success is %q", status, clean)
	}
	d.wasCalled(program)
}

// readUnits returns the settings of a template's units by their suffix.
func readUnits(t *testing.T, template string) map[string]map[string]string {
	t.Helper()
	units := make(map[string]map[string]string)
	files, err := filepath.Glob("../../docs/" + template + "@.*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no unit %s in docs; %v", template, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		settings := make(map[string]string)
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
				settings[key] = value
			}
		}
		units[filepath.Ext(file)] = settings
	}
	return units
}

// TestUnits: systemd takes the units as they stand. This needs no systemd that runs: what the units run is run by
// TestDocs, by a shell, with systemd's environment and the exit statuses that the unit names.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("there is no systemd-analyze (Debian: systemd) to take the units: %v", err)
	}
	d := newDesk(t)
	files, err := filepath.Glob("../../docs/*@.*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no units in docs; %v", err)
	}
	var copies []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d.write("units/"+filepath.Base(file), d.here(string(text)))
		copies = append(copies, d.dir+"/units/"+filepath.Base(file))
		for _, on := range regexp.MustCompile(`(?m)^OnCalendar=(.*)$`).FindAllStringSubmatch(string(text), -1) {
			if out, err := exec.Command(analyze, "calendar", on[1]).CombinedOutput(); err != nil {
				t.Errorf("systemd does not take %s of %s: %v\n%s", on[0], file, err, out)
			}
		}
	}
	for _, file := range copies {
		if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), filepath.Base(file)+":") {
			t.Errorf("systemd does not take %s: %v\n%s", file, err, out)
		}
	}
}
