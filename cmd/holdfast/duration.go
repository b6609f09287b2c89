package main

import (
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// duration is a flag's value: a time such as 90s or 1m30s, or a bare number, which is seconds as
// for flock, timeout and sleep.
type duration time.Duration

const durationHelp = `A DURATION is written as 90s or 1m30s; a bare number is seconds.`

// durationVar defines a flag of that kind for *p, with a default.
func durationVar(cmd *cobra.Command, p *time.Duration, name, shorthand string, value time.Duration, usage string) {
	*p = value
	cmd.Flags().VarP((*duration)(p), name, shorthand, usage)
}

func (d *duration) Set(text string) error {
	if n, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(n) <= math.MaxInt64/float64(time.Second) {
		text = strconv.FormatFloat(n, 'f', -1, 64) + "s"
	}
	parsed, err := time.ParseDuration(text)
	if err == nil {
		*d = duration(parsed)
	}
	return err
}

// String returns "0" for none, which a help takes for no default.
func (d *duration) String() string {
	if *d == 0 {
		return "0"
	}
	return time.Duration(*d).String()
}

func (d *duration) Type() string { return "duration" }
