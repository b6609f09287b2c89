package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/spf13/cobra"
	terminal "golang.org/x/term"

	"github.com/holdfast-go/holdfast"
)

type topFlags struct {
	connection
	interval time.Duration
	sorting  string
	filter   string
}

// topSorts are the values of --sort, and their keys.
var topSorts = map[string]byte{"name": 'n', "holder": 'o', "fence": 'f', "held": 's', "ttl": 't', "waiters": 'w', "handovers": 'h', "losses": 'l'}

// glanceEvery is how often the locks on the screen are looked at, all in one round trip.
const glanceEvery = 100 * time.Millisecond

func newTopCommand() *cobra.Command {
	var flags topFlags
	cmd := &cobra.Command{
		Use:   "top [flags] [PATTERN]",
		Short: "Watch all locks, live",
		Long: `Top shows the locks that are held or waited for, live, at a terminal:

  HELD     for how long the holder has had it, by the clock of the Redis server
  TTL      what is left; "!" if a renewal is overdue
  WAIT     how many processes wait
  HAND/S   new holders a second, over the last 10 s
  LOST     holds that ran out without being given back, since top was started

All locks are listed every --interval, by SCAN (see "holdfast ls --help" for what
that can't find), and those on the screen are looked at ten times a second. New
holders and losses between two looks count once, so the figures are the least that
happened; what goroutines of one process pass to each other is not seen.

Keys: q quit; / filter by name or holder, esc clears it; n o f s t w h l sort by name,
holder, fence, time held, TTL, waiters, hand-overs, losses; r reverse; space pause; arrows and
page keys scroll. NO_COLOR turns colours off.`,
		Example: "  holdfast top\n  holdfast top --sort waiters 'jobs:*'",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(fmt.Errorf("%s takes one PATTERN, got %q (quote it from the shell)", cmd.CommandPath(), shown(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	sorts := []string{}
	for name := range topSorts {
		sorts = append(sorts, name)
	}
	slices.Sort(sorts)
	durationVar(cmd, &flags.interval, "interval", "", time.Second, "time from one list of all locks to the next")
	cmd.Flags().StringVar(&flags.sorting, "sort", "name", "`COLUMN` to sort by: name, holder, fence, held, ttl, waiters, handovers, losses")
	cmd.Flags().StringVar(&flags.filter, "filter", "", "show only what has this `TEXT` in its name or holder")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(sorts, cobra.ShellCompDirectiveNoFileComp))
	flags.connection.addFlags(cmd)
	return cmd
}

func (f *topFlags) run(cmd *cobra.Command, args []string) error {
	key, ok := topSorts[f.sorting]
	switch {
	case !ok:
		return usageError(fmt.Errorf("--sort %q is no column", f.sorting))
	case f.interval < glanceEvery:
		return usageError(fmt.Errorf("--interval %v is less than %v", f.interval, glanceEvery))
	case !terminal.IsTerminal(int(os.Stdin.Fd())) || !terminal.IsTerminal(int(os.Stdout.Fd())):
		return usageError(errors.New("top needs a terminal; \"holdfast ls\" does not"))
	}
	pattern := ""
	if len(args) == 1 {
		pattern = args[0]
	}
	return f.with(cmd.Context(), "", func(t *target, locks *holdfast.Locker) error {
		screen, err := tcell.NewScreen()
		if err == nil {
			err = screen.Init()
		}
		if err != nil {
			return fmt.Errorf("the terminal can't be used: %w", err)
		}
		defer screen.Fini() // also in a panic, which would else be unreadable
		m := newTopModel(time.Now())
		m.sorting, m.filter = key, f.filter
		v := &topView{screen: screen, addr: t.addr, colour: wantsColour(os.Stdout), every: f.interval}
		top := &top{topView: v, model: m, target: t, locks: locks, pattern: pattern}
		return top.loop(cmd.Context())
	})
}

type top struct {
	*topView
	model   *topModel
	target  *target
	locks   *holdfast.Locker
	pattern string
}

// looked is what a look at Redis has found, for the loop to take in.
type looked struct {
	all     bool // it was a list of all locks
	entries []holdfast.Entry
	failed  int
	err     error
	at      time.Time
}

// loop runs until the user quits. One look is under way at a time, and keys are served
// meanwhile.
func (t *top) loop(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	events, quit := make(chan tcell.Event, 16), make(chan struct{})
	defer close(quit) // ends ChannelEvents, as Fini does
	go t.screen.ChannelEvents(events, quit)
	found := make(chan looked, 1)
	looking := false
	defer func() {
		cancel()
		if looking {
			<-found
		}
	}()
	var nextList time.Time
	look := func() {
		if looking || t.paused {
			return
		}
		looking = true
		all, names := !time.Now().Before(nextList), []string(nil)
		if all {
			nextList = time.Now().Add(t.every)
		} else {
			names = t.namesShown()
		}
		go func() { found <- t.lookAt(ctx, all, names) }() // loop waits for it
	}
	tick := time.NewTicker(glanceEvery)
	defer tick.Stop()
	for look(); ; {
		select {
		case <-ctx.Done():
			return exit(statusInterrupted)
		case l := <-found:
			looking = false
			t.take(l)
		case event, ok := <-events:
			if !ok {
				return nil
			}
			if t.event(event) {
				return nil
			}
		case <-tick.C:
			look()
		}
		t.draw(t.model, time.Now())
	}
}

func (t *top) namesShown() (names []string) {
	rows, _ := t.rowsShown(t.model, time.Now())
	for _, r := range rows {
		names = append(names, r.name)
	}
	return names
}

func (t *top) event(event tcell.Event) (quit bool) {
	switch e := event.(type) {
	case *tcell.EventKey:
		return t.key(t.model, e.Key(), e.Rune())
	case *tcell.EventResize:
		t.screen.Sync()
	}
	return false
}

// lookAt asks Redis for all locks or for some.
func (t *top) lookAt(ctx context.Context, all bool, names []string) looked {
	l := looked{all: all}
	if all {
		var failed []error
		l.entries, failed, l.err = entriesOf(ctx, t.locks, t.pattern)
		l.failed, l.at = len(failed), time.Now()
		return l
	}
	type one struct {
		entry holdfast.Entry
		err   error
	}
	answers := make(chan one, len(names))
	for _, name := range names { // what is asked at the same moment shares a round trip
		go func() {
			info, err := glanceAt(ctx, t.locks, name)
			answers <- one{holdfast.Entry{Name: name, Info: info}, err}
		}()
	}
	for range names {
		if a := <-answers; a.err == nil {
			l.entries = append(l.entries, a.entry)
		} else {
			l.err = a.err
		}
	}
	l.at = time.Now()
	return l
}

// take takes in what was found.
func (t *top) take(l looked) {
	t.model.problem = ""
	if l.err != nil {
		t.model.problem = message(t.target.unavailable(l.err))
	}
	if l.all {
		t.model.failed = l.failed
		if l.err == nil {
			t.model.list(l.entries, l.at)
		}
		return
	}
	for _, e := range l.entries {
		t.model.look(e.Name, e.Info, l.at)
	}
}
