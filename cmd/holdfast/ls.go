package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

// lookFlags are those of the commands that look at locks.
type lookFlags struct {
	connection
	json bool
}

func (f *lookFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON, for programs: see above")
	f.connection.addFlags(cmd)
}

// with calls f with a Locker on the Redis of the flags.
func (c *connection) with(ctx context.Context, name string, f func(*target, *holdfast.Locker) error) error {
	t, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	defer t.client.Close()
	locks := holdfast.New(t.client)
	defer locks.Close()
	return f(t, locks)
}

type lsFlags struct {
	lookFlags
	heldFor time.Duration
}

func newLsCommand() *cobra.Command {
	var flags lsFlags
	cmd := &cobra.Command{
		Use:   "ls [flags] [PATTERN]",
		Short: "List the locks that are held or waited for",
		Long: `Ls lists the locks that are held or waited for: holder's label, fence, for how long
it has had the lock, what is left of the TTL, and how many processes wait. Of a semaphore
it shows how many of its permits are in use, and of a read-write lock how many readers
there are, or that a writer has it; FENCE and HELD are those of the last who came, TTL is
the longest, and "holdfast inspect" shows each holder. PATTERN is one of Redis's KEYS,
with *, ? and […]; quote it from the shell.

It uses SCAN, on a Cluster on each master, to find the keys that Holdfast keeps beside
a lock. So a lock that another library holds, such as redis-py, is shown only if
Holdfast has held it or asked for it within a day; "holdfast inspect" shows any lock.

` + sinceHelp + "\n\n" + jsonHelp + "\n\nLs writes one array, sorted by name.",
		Example: `  holdfast ls
  holdfast ls 'jobs:*'
  holdfast ls --held-for 1h
  holdfast ls --json | jq -r '.[] | select(.waiters > 3) | .name'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(fmt.Errorf("%s takes one PATTERN, got %q (quote it from the shell)", cmd.CommandPath(), shown(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			pattern := ""
			if len(args) == 1 {
				pattern = args[0]
			}
			if flags.heldFor < 0 {
				return usageError(fmt.Errorf("--held-for %v is negative", flags.heldFor))
			}
			return flags.with(cmd.Context(), "", func(t *target, locks *holdfast.Locker) error {
				return flags.ls(cmd, t, locks, pattern)
			})
		},
	}
	durationVar(cmd, &flags.heldFor, "held-for", "", 0,
		"show only locks whose holder has had them for so long at least; never a stranger's (default: all)")
	flags.addFlags(cmd)
	return cmd
}

func (f *lsFlags) ls(cmd *cobra.Command, t *target, locks *holdfast.Locker, pattern string) error {
	entries, failed, err := entriesOf(cmd.Context(), locks, pattern)
	if err != nil {
		return lockError(t, err)
	}
	if f.heldFor > 0 {
		entries = slices.DeleteFunc(entries, func(e holdfast.Entry) bool {
			return e.Since.IsZero() || e.HeldFor < f.heldFor
		})
	}
	if err := f.show(cmd, entries); err != nil {
		return err
	}
	for _, err := range failed {
		fmt.Fprintln(cmd.ErrOrStderr(), "holdfast: "+message(err))
	}
	if len(failed) > 0 {
		return exit(statusFailed)
	}
	return nil
}

// entriesOf returns what List finds, sorted, and the errors that concern one lock each.
func entriesOf(ctx context.Context, locks *holdfast.Locker, pattern string) (entries []holdfast.Entry, failed []error, err error) {
	for entry, err := range locks.List(ctx, pattern) {
		switch {
		case err == nil:
			entries = append(entries, entry)
		case entry.Name == "":
			return nil, nil, err
		default:
			failed = append(failed, err)
		}
	}
	slices.SortFunc(entries, func(a, b holdfast.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return once(entries), failed, nil
}

// once makes one entry of the two of a name that is held as one kind of lock and waited for as another: see List.
func once(sorted []holdfast.Entry) (entries []holdfast.Entry) {
	for _, e := range sorted {
		last := len(entries) - 1
		if last < 0 || entries[last].Name != e.Name {
			entries = append(entries, e)
			continue
		}
		waiters := entries[last].Waiters + e.Waiters
		if entries[last].Stranger {
			entries[last] = e
		}
		entries[last].Waiters = waiters
	}
	return entries
}

func (f *lsFlags) show(cmd *cobra.Command, entries []holdfast.Entry) error {
	out := cmd.OutOrStdout()
	if f.json {
		list := []lockJSON{}
		for _, e := range entries {
			list = append(list, newLockJSON(e.Name, seen{Info: e.Info}))
		}
		return writeJSON(out, list, "  ")
	}
	if len(entries) == 0 {
		text := "no such lock is held or waited for"
		if f.heldFor > 0 {
			text = fmt.Sprintf("no such lock has been held for %v", f.heldFor)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "holdfast: "+text)
		return nil
	}
	rows := [][]string{{"NAME", "HOLDER", "FENCE", "HELD", "TTL", "WAITERS"}}
	for _, e := range entries {
		rows = append(rows, []string{printable(e.Name), holder(e.Info), fenceText(e.Info), heldText(e.Info), ttlText(e.Info), strconv.Itoa(e.Waiters)})
	}
	return table(out, "llrrrr", rows)
}

func newInspectCommand() *cobra.Command {
	var flags lookFlags
	cmd := &cobra.Command{
		Use:   "inspect [flags] NAME",
		Short: "Show a lock's holder and who waits for it",
		Long: `Inspect shows who holds a lock, and who waits for it, the next holder first. Of a
semaphore or a read-write lock it shows each holder, with its fence, how many permits it
has and what is left of its TTL.

` + sinceHelp + "\n\n" + jsonHelp,
		Example: "  holdfast inspect jobs:billing\n  holdfast inspect --json jobs:billing | jq .fence",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), args[0], func(t *target, locks *holdfast.Locker) error {
				s, err := lookAt(cmd.Context(), locks, args[0])
				if err != nil {
					return lockError(t, err)
				}
				if flags.json {
					return writeJSON(cmd.OutOrStdout(), newLockJSON(args[0], s), "  ")
				}
				return describe(cmd.OutOrStdout(), args[0], s)
			})
		},
	}
	flags.addFlags(cmd)
	return cmd
}

// describe shows a lock to people.
func describe(out io.Writer, name string, s seen) error {
	info := s.Info
	rows := [][]string{{"name", printable(name)}, {"state", stateOf(info)}}
	switch {
	case info.Permits > 0:
		rows = append(rows, describeHolders(s)...)
	case info.Held:
		rows = append(rows, []string{"holder", holder(info)}, []string{"fence", fenceText(info)})
		if !info.Since.IsZero() {
			rows = append(rows, []string{"since", info.Since.Format(time.RFC3339) + ", for " + heldText(info)})
		}
		rows = append(rows, []string{"ttl", ttlText(info)})
	}
	if info.Stranger {
		rows = append(rows, []string{"", "held, but not through Holdfast: by redis-py, say"})
	}
	if info.Kept {
		rows = append(rows, []string{"", "released; its --at-least keeps it until the ttl ends"})
	}
	if info.MayRest {
		rows = append(rows, []string{"", "may be in nobody's use: its process keeps it for a while, and gives it to whoever asks"})
	}
	rows = append(rows, []string{"waiters", strconv.Itoa(info.Waiters)})
	for i, w := range s.queue {
		label := printable(w.Label)
		if w.Alive == 0 {
			label += "  (not heard of for 10s: will be passed over)"
		}
		rows = append(rows, []string{fmt.Sprintf("%6d", i+1), label, weightText(info, w.Permits)})
	}
	return table(out, "", rows)
}

// describeHolders shows who holds permits.
func describeHolders(s seen) [][]string {
	var rows [][]string
	if !isRW(s.Info) {
		rows = append(rows, []string{"permits", fmt.Sprintf("%d of %d", s.Permits, s.Limit)})
	}
	rows = append(rows, []string{"holders", strconv.Itoa(len(s.holders))})
	for i, h := range s.holders {
		has := weightText(s.Info, h.Permits)
		if h.Limit != s.Limit {
			has += fmt.Sprintf(" of %d", h.Limit)
		}
		ttl := ttlText(holdfast.Info{Held: true, TTL: h.TTL, NoExpiry: h.NoExpiry})
		rows = append(rows, []string{fmt.Sprintf("%6d", i+1), markKept(labelText(h.Label), h.Kept), has, fmt.Sprintf("fence %d", h.Fence), "ttl " + ttl})
	}
	return rows
}
