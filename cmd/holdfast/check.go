package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

// rating is what a finding means for the promise.
type rating string

const (
	good    rating = "ok"
	warn    rating = "warn"    // the promise has an exception more, or something is slow
	bad     rating = "fail"    // there is no promise
	unknown rating = "unknown" // it can't be looked at
)

// finding is one thing that check has looked at.
type finding struct {
	Check   string `json:"check"`
	Verdict rating `json:"verdict"`
	Found   string `json:"found"`
	Means   string `json:"means"`
}

type checkFlags struct {
	lookFlags
	name string
}

func newCheckCommand() *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Say whether this Redis can serve locks, and what to expect",
		Long: `Check looks at what the lock's promise depends on, and says
what each finding means for it: version, rights, commands, a trial lock, eviction,
persistence, replicas, clocks, Cluster or Sentinel state, keyspace notifications. What
this user may not look at is reported as unknown. The trial lock has a random name
that begins with --name, and is deleted; so are the keys with which the rights are
tried.

It exits with 0 if nothing failed, and 1 if something did; warnings don't count.

With --json it writes an array of objects: check, verdict ("ok", "warn", "fail" or
"unknown"), found, means; all strings.`,
		Example: "  holdfast check\n  holdfast check --redis redis://worker@db1 --name jobs:check --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd.Context(), "", func(t *target, locks *holdfast.Locker) error {
				return flags.check(cmd, t, locks)
			})
		},
	}
	cmd.Flags().StringVar(&flags.name, "name", "holdfast:check", "`PREFIX` of the trial lock's name, for a user who has rights to some names only")
	flags.lookFlags.addFlags(cmd)
	return cmd
}

func (f *checkFlags) check(cmd *cobra.Command, t *target, locks *holdfast.Locker) error {
	name := f.name + ":" + rand.Text()
	if err := lockError(t, locks.Mutex(name).Err()); err != nil {
		return err
	}
	findings := t.checkAll(cmd.Context(), locks, name)
	if cmd.Context().Err() != nil {
		return exit(statusInterrupted)
	}
	if f.json {
		if err := writeJSON(cmd.OutOrStdout(), findings, "  "); err != nil {
			return err
		}
	} else {
		showFindings(cmd.OutOrStdout(), t, findings)
	}
	for _, finding := range findings {
		if finding.Verdict == bad {
			return exit(statusFailed)
		}
	}
	return nil
}

// node is one server that has, or may come to have, keys.
type node struct {
	addr   string
	master bool
	client *redis.Client
}

func (t *target) checkAll(ctx context.Context, locks *holdfast.Locker, name string) []finding {
	all, done := t.nodes(ctx)
	defer done()
	nodes, findings := checkAnswers(ctx, all)
	findings = append(findings, perMaster(ctx, nodes, checkVersion)...)
	findings = append(findings, t.checkRights(ctx, nodes, name)...)
	findings = append(findings, t.checkTrial(ctx, locks, name))
	findings = append(findings, perMaster(ctx, nodes, checkEviction)...)
	findings = append(findings, perMaster(ctx, nodes, checkPersistence)...)
	findings = append(findings, perMaster(ctx, nodes, checkReplicas)...)
	findings = append(findings, t.checkGrace(ctx, nodes)...)
	findings = append(findings, checkClocks(ctx, nodes)...)
	findings = append(findings, t.checkDeployment(ctx, nodes)...)
	if _, cluster := t.client.(*redis.ClusterClient); !cluster {
		findings = append(findings, perMaster(ctx, nodes, checkNotifications)...)
	}
	return findings
}

// nodes returns the servers of the deployment, as far as they can be known.
func (t *target) nodes(ctx context.Context) (nodes []node, done func()) {
	switch client := t.client.(type) {
	case *redis.ClusterClient:
		var mu sync.Mutex
		add := func(master bool) func(context.Context, *redis.Client) error {
			return func(_ context.Context, c *redis.Client) error {
				mu.Lock()
				defer mu.Unlock()
				nodes = append(nodes, node{c.Options().Addr, master, c})
				return nil
			}
		}
		_ = client.ForEachMaster(ctx, add(true))
		_ = client.ForEachSlave(ctx, add(false))
		return nodes, func() {}
	case *redis.Client:
		nodes = []node{{t.addr, true, client}}
		if t.sentinels != nil {
			nodes = append(nodes, t.replicas(ctx)...)
		}
	}
	return nodes, func() {
		for _, n := range nodes[1:] {
			n.client.Close()
		}
	}
}

// perMaster makes a check on each master, and says once what is the same of all.
func perMaster(ctx context.Context, nodes []node, check func(context.Context, *redis.Client) finding) []finding {
	var findings []finding
	same := true
	for _, n := range nodes {
		if n.master {
			f := check(ctx, n.client)
			same = same && (len(findings) == 0 || f == findings[0])
			findings = append(findings, f)
		}
	}
	if same && len(findings) > 1 {
		findings[0].Found += fmt.Sprintf(" (on each of %d masters)", len(findings))
		return findings[:1]
	}
	if len(findings) > 1 {
		i := 0
		for _, n := range nodes {
			if n.master {
				findings[i].Found = n.addr + ": " + findings[i].Found
				i++
			}
		}
	}
	return findings
}

func showFindings(out io.Writer, t *target, findings []finding) {
	fmt.Fprintf(out, "Redis at %s\n\n", t.addr)
	for _, f := range findings {
		indent := strings.Repeat(" ", 24)
		fmt.Fprintf(out, "%-9s%-15s%s\n", f.Verdict, f.Check, wrapAt(f.Found, 80, indent))
		fmt.Fprintf(out, "%s%s\n", indent, wrapAt(f.Means, 80, indent))
	}
}

// wrapAt breaks text into lines, which begin with the indent but for the first.
func wrapAt(text string, width int, indent string) string {
	var b strings.Builder
	used := len(indent)
	for i, word := range strings.Fields(text) {
		if i > 0 && used+1+len(word) > width {
			b.WriteString("\n" + indent)
			used = len(indent)
		} else if i > 0 {
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}
