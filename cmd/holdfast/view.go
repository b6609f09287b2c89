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

// lockJSON is a lock as --json shows it. Fields may join; none leaves, or changes its meaning.
type lockJSON struct {
	Time       string       `json:"time,omitempty"` // of watch: when that was seen
	Name       string       `json:"name"`
	NameBase64 string       `json:"name_base64,omitempty"` // if the name is no UTF-8
	State      string       `json:"state"`
	Label      *string      `json:"label"`  // null: free or a stranger's
	Fence      *int64       `json:"fence"`  // likewise
	TTL        *int64       `json:"ttl_ms"` // null: free or without expiry
	Waiters    int          `json:"waiters"`
	Queue      []waiterJSON `json:"queue,omitempty"` // of inspect and watch: the next holder first
}

type waiterJSON struct {
	Label string `json:"label"`
	Alive int64  `json:"alive_ms"`
}

const jsonHelp = `With --json each lock is an object:

  name         string
  name_base64  string, only if the name is not UTF-8: its bytes
  state        "held"; "stranger": held, but not through Holdfast; "free"
  label        string, the holder's; null if free or a stranger's
  fence        integer, the holder's; null if free or a stranger's
  ttl_ms       integer, what is left; null if free or without expiry
  waiters      integer
  queue        array of {"label": string, "alive_ms": integer}, the next holder
               first, left out if nobody waits; of inspect and watch
  time         string, RFC 3339; of watch

Fields may join; none leaves or changes its meaning.`

func newLockJSON(name string, info holdfast.Info, queue []holdfast.Waiter) lockJSON {
	l := lockJSON{Name: name, State: stateOf(info), Waiters: info.Waiters}
	if !utf8.ValidString(name) {
		l.NameBase64 = base64.StdEncoding.EncodeToString([]byte(name))
	}
	if l.State == stateHeld {
		l.Label, l.Fence = &info.Label, &info.Fence
	}
	if info.Held && !info.NoExpiry {
		ms := info.TTL.Milliseconds()
		l.TTL = &ms
	}
	for _, w := range queue {
		l.Queue = append(l.Queue, waiterJSON{w.Label, w.Alive.Milliseconds()})
	}
	return l
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
	case info.Label == "":
		return "(no label)"
	}
	return printable(info.Label)
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
