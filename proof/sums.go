//go:build linux

package main

import (
	"encoding/json"
	"os"
)

// sums are the counts of all deployments together.
type sums struct {
	Operations int
	Rounds     int
	Found      map[string]int    // what breaks the promise and nothing excuses, by kind; none are there as 0
	Faults     map[string]struck // by name
}

// struck is how often a fault was there, and how often of these it could not be carried out or its end was
// not seen in time.
type struck struct{ Strikes, Failed int }

func (r *report) writeSums(file string) error {
	all := sums{Found: map[string]int{"not linearizable": 0}, Faults: make(map[string]struck)}
	for _, o := range r.results {
		all.Operations += o.Counts.Operations()
		all.Rounds += o.Rounds
		for _, what := range kinds {
			all.Found[what] += count(o.Violations, what)
		}
		all.Found["not linearizable"] += o.illegal
		for name, t := range o.Faults {
			f := all.Faults[name]
			all.Faults[name] = struck{f.Strikes + t.Strikes, f.Failed + t.Failed}
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
