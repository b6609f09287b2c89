package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// counts is what the command proof writes with -json.
type counts struct {
	Operations int
	Rounds     int
	Found      map[string]int // violations that nothing excuses, by their kind; those that are 0, too
	Faults     map[string]struct{ Strikes, Failed int }
}

// found is how many violations there were.
func (c *counts) found() (n int) {
	for _, m := range c.Found {
		n += m
	}
	return n
}

// struck counts the faults whose name has one of these parts, and of these that could not be carried out.
func (c *counts) struck(parts ...string) (strikes, failed int) {
	for name, f := range c.Faults {
		for _, part := range parts {
			if strings.Contains(name, part) {
				strikes, failed = strikes+f.Strikes, failed+f.Failed
				break
			}
		}
	}
	return strikes, failed
}

// atOnce is the fault that is atomic slot migration.
const atOnce = "CLUSTER MIGRATESLOTS"

// hurried are the deployments whose Sentinels are made quicker by SENTINEL DEBUG, which Redis 7.0 brought.
const hurried = "brisk, min-replicas"

// leftOut are the deployments of the proof that a server can't have.
func (r *result) leftOut() string {
	if strings.HasPrefix(r.Version, "Redis 6.") {
		return hurried
	}
	return ""
}

// runProof runs the proof with all faults on every deployment, and, where the server has it, with atomic slot
// migrations alone, a third as long.
func (o *options) runProof(ctx context.Context, res *result) (err error) {
	args := []string{"-for", o.proof.String()}
	if out := res.leftOut(); out != "" {
		args = append(args, "-without", strings.ReplaceAll(out, " ", ""))
	}
	if res.Proof, err = o.prove(ctx, res, "proof", args...); err != nil || res.Answers[migrateSlots] != "yes" {
		return err
	}
	long := (o.proof / 3).Round(time.Second)
	res.Slots, err = o.prove(ctx, res, "slots", "-for", "1s", "-strikes", long.String(), "-deploy", "cluster", "-faults", atOnce)
	if err == nil {
		if n, _ := res.Slots.struck(atOnce); n == 0 {
			err = errors.New("no slot was migrated at once, though the server says that it can")
		}
	}
	return err
}

// prove runs the command proof.
func (o *options) prove(ctx context.Context, res *result, what string, args ...string) (*counts, error) {
	base := filepath.Join(o.log, res.release.name+"-"+what)
	args = append([]string{"-C", "proof", "run", ".", "-json", base + ".json", "-out", o.log, "-clients", "6", "-workers", "4"}, args...)
	_ = os.Remove(base + ".json")
	cmd := exec.CommandContext(ctx, "go", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	failed := cmd.Run()
	if err := os.WriteFile(base+".txt", out.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if failed != nil {
		failed = fmt.Errorf("go %s: %w: %s.txt has what it said", strings.Join(args, " "), failed, base)
	}
	text, err := os.ReadFile(base + ".json")
	if err != nil {
		return nil, errors.Join(failed, err)
	}
	c := new(counts)
	return c, errors.Join(failed, json.Unmarshal(text, c))
}
