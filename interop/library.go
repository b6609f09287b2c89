package main

import "time"

// library is a version of a lock library, and what it does beside Holdfast.
type library struct {
	name    string // on the command line
	title   string // in the report
	version string // what its version must begin with, if the worker tells it
	get     getter
	key     string // what Holdfast has to be given for the library's "job"; "" is the same
	// second is another key that Holdfast has to take with it, of a library that has several.
	second  string
	setting string // what makes both use one key
	// gap is that of WithTurnsForStrangers, longer than the library's interval between two tries.
	gap time.Duration
	// expect has what each trial must find: see trials.
	expect map[string]string
	// notes are facts that no trial here finds.
	notes []string
}

// holdfastKey is the key of the library's lock "job".
func (l *library) holdfastKey() string {
	if l.key == "" {
		return name
	}
	return l.key
}

// name is the lock's name in all trials.
const name = "job"

// libraries is in the order of the report.
var libraries = concat(pythonLibraries, nodeLibraries, phpLibraries, goLibraries)

func concat(parts ...[]library) (all []library) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func find(name string) *library {
	for i := range libraries {
		if libraries[i].name == name {
			return &libraries[i]
		}
	}
	return nil
}

func names() (all []string) {
	for _, l := range libraries {
		all = append(all, l.name)
	}
	return all
}
