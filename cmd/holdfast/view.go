package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/holdfast-go/holdfast"
)

// The states of a lock.
const (
	stateHeld     = "held"
	stateStranger = "stranger"
	stateFree     = "free"
)

func stateOf(info holdfast.Info) string {
	switch {
	case info.Stranger:
		return stateStranger
	case info.Held:
		return stateHeld
	}
	return stateFree
}

// lockJSON is a lock as --json shows it. Fields may be added; none is removed or changes its meaning.
type lockJSON struct {
	Time       string       `json:"time,omitempty"` // of watch: when that was seen
	Name       string       `json:"name"`
	NameBase64 string       `json:"name_base64,omitempty"` // if the name is no UTF-8
	State      string       `json:"state"`
	Label      *string      `json:"label"`   // null: free or a stranger's
	Fence      *int64       `json:"fence"`   // null as label
	TTL        *int64       `json:"ttl_ms"`  // null: free or without expiry
	Since      *string      `json:"since"`   // null: free or a stranger's
	HeldFor    *int64       `json:"held_ms"` // null as label
	Kept       bool         `json:"kept"`
	MayRest    bool         `json:"may_rest"`
	Permits    int          `json:"permits,omitempty"` // and Limit: only if the lock is held as permits
	Limit      int          `json:"limit,omitempty"`
	Holders    []holderJSON `json:"holders,omitempty"` // of permits; of inspect and watch
	Waiters    int          `json:"waiters"`
	Queue      []waiterJSON `json:"queue,omitempty"` // of inspect and watch: the next holder first
}

type waiterJSON struct {
	Label   string `json:"label"`
	Alive   int64  `json:"alive_ms"`
	Permits int    `json:"permits,omitempty"`
}

type holderJSON struct {
	Label   string `json:"label"`
	Fence   int64  `json:"fence"`
	Permits int    `json:"permits"`
	Limit   int    `json:"limit"`
	TTL     *int64 `json:"ttl_ms"` // null: without expiry
	Kept    bool   `json:"kept"`
}

const sinceHelp = `The time since when a lock has been held is read from its fence,
which is the time at which it was given, by the clock of the Redis server. It is wrong
by as much as that clock was set forward or back since. If a process passes the lock
on among its own workers, it is the time of the last pass that Redis knows of. A
stranger's lock has none.`

const jsonHelp = `With --json each lock is an object:

  name         string
  name_base64  string, only if the name is not UTF-8: its bytes
  state        "held"; "stranger": held, but not through Holdfast; "free"
  label        string, the holder's; null if free or a stranger's
  fence        integer, the holder's; null if free or a stranger's
  ttl_ms       integer, what is left; null if free or without expiry
  since        string, RFC 3339: when the holder was given the lock, by the
               clock of the Redis server; null if free or a stranger's
  held_ms      integer, how long ago that was, by the same clock; null as since
  kept         true if the holder has released it, and its --at-least keeps it
               until the TTL ends; else false
  may_rest     true if the holder's process keeps the lock for a while after its
               release, unless others ask (WithLinger): it may be in nobody's
               use; else false
  permits      integer, how many permits of a semaphore are in use; left out if
               the lock is not held as one. Then label, fence, since and held_ms
               are those of the holder with the largest fence, ttl_ms is the
               longest, and kept is true if all holders are
  limit        integer, of how many; 1000000000 for a read-write lock, of which
               a reader has 1 and a writer all; left out as permits
  holders      array of {"label": string, "fence": integer, "permits": integer,
               "limit": integer, "ttl_ms": integer or null, "kept": boolean},
               the smallest fence first, left out as permits; of inspect and
               watch
  waiters      integer
  queue        array of {"label": string, "alive_ms": integer, "permits":
               integer, left out if it waits for a lock}, the next holder first,
               left out if nobody waits; of inspect and watch
  time         string, RFC 3339; of watch

Later versions may add fields; no field is removed or changes its meaning.`

func newLockJSON(name string, s seen) lockJSON {
	info := s.Info
	l := lockJSON{Name: name, State: stateOf(info), Kept: info.Kept, MayRest: info.MayRest, Waiters: info.Waiters,
		Permits: info.Permits, Limit: info.Limit}
	if !utf8.ValidString(name) {
		l.NameBase64 = base64.StdEncoding.EncodeToString([]byte(name))
	}
	if l.State == stateHeld {
		since, held := info.Since.Format(time.RFC3339Nano), info.HeldFor.Milliseconds()
		l.Label, l.Fence, l.Since, l.HeldFor = &info.Label, &info.Fence, &since, &held
	}
	if info.Held {
		l.TTL = ttlJSON(info.TTL, info.NoExpiry)
	}
	for _, h := range s.holders {
		l.Holders = append(l.Holders, holderJSON{h.Label, h.Fence, h.Permits, h.Limit, ttlJSON(h.TTL, h.NoExpiry), h.Kept})
	}
	for _, w := range s.queue {
		l.Queue = append(l.Queue, waiterJSON{w.Label, w.Alive.Milliseconds(), w.Permits})
	}
	return l
}

func ttlJSON(ttl time.Duration, never bool) *int64 {
	if never {
		return nil
	}
	ms := ttl.Milliseconds()
	return &ms
}

func writeJSON(out io.Writer, v any, indent string) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	return encoder.Encode(v)
}

// printable shows text of any bytes so that it can't do anything to a terminal.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// holder is how a table names a lock's holder.
func holder(info holdfast.Info) string {
	switch {
	case info.Stranger:
		return "(stranger)"
	case !info.Held:
		return "(nobody)"
	}
	label := labelText(info.Label)
	if info.Permits > 0 {
		label = shareText(info)
	}
	label = markKept(label, info.Kept)
	if info.MayRest {
		label += " (may rest)"
	}
	return label
}

func labelText(label string) string {
	if label == "" {
		return "(no label)"
	}
	return printable(label)
}

// markKept says of a holder whether only a minimum hold keeps what it has.
func markKept(holder string, kept bool) string {
	if kept {
		return holder + " (released)"
	}
	return holder
}

func fenceText(info holdfast.Info) string {
	if info.Fence == 0 {
		return "-"
	}
	return strconv.FormatInt(info.Fence, 10)
}

func ttlText(info holdfast.Info) string {
	switch {
	case !info.Held:
		return "-"
	case info.NoExpiry:
		return "none"
	}
	return seconds(info.TTL)
}

// heldText is for how long the holder has had the lock, in seven characters at most up to
// 27 years.
func heldText(info holdfast.Info) string {
	d := info.HeldFor
	switch hours := int(d.Hours()); {
	case info.Since.IsZero():
		return "-"
	case d < 100*time.Minute:
		return seconds(d)
	case hours < 100:
		return fmt.Sprintf("%dh%dm", hours, int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", hours/24, hours%24)
	}
}

// seconds shows a time to a tenth of a second, or to a second if it is long.
func seconds(d time.Duration) string {
	if d < 100*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// table writes rows in columns. The cells of the columns in right are set to the right.
func table(out io.Writer, right string, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(pad(cell, widths[i], i < len(right) && right[i] == 'r') + "  ")
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// pad fills a cell up to a width, and shortens it to that.
func pad(cell string, width int, right bool) string {
	if missing := width - uniseg.StringWidth(cell); missing >= 0 {
		if right {
			return strings.Repeat(" ", missing) + cell
		}
		return cell + strings.Repeat(" ", missing)
	}
	short, used := "", 0
	for g := uniseg.NewGraphemes(cell); g.Next() && used+g.Width() < width; used += g.Width() {
		short += g.Str()
	}
	return short + "…" + strings.Repeat(" ", max(width-used-1, 0))
}
