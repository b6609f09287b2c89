package store

import (
	"errors"
	"fmt"
	"strings"
)

// A mutex has three keys: NAME, a string, the token, as redis-py writes it; AUX, a string of fence,
// attempt, label and tombstones; and the queue, a hash of the waiting attempts in order of arrival, and
// the channel of each. See scripts/lib_layout.lua. So has a semaphore, but its NAME is a hash of those who
// hold permits: see scripts/lib_permits.lua.

// version is the protocol's. It is part of every key but NAME: a holder of another version looks like a
// stranger, instead of being misread.
const version = "2"

// prefix starts every key that is not a NAME.
const prefix = "holdfast:"

var (
	// ErrReserved: the name could be one of Holdfast's own keys.
	ErrReserved = errors.New("names that start with " + prefix + " and a digit are reserved")
	// ErrRing: each client of a Ring decides by its own heartbeats which server has a key, so two
	// clients can take the same lock on two servers.
	ErrRing = errors.New("a redis.Ring can't hold a lock: its clients may disagree where a key is")
	// ErrNilClient: the client is a nil pointer, or a struct that embeds one.
	ErrNilClient = errors.New("the client is a nil pointer")
	// ErrNotColocated: on a Cluster, the lock's other keys can't be in the slot of NAME.
	ErrNotColocated = errors.New("a name with a } and no {tag} can't be placed in one cluster slot")
)

// MaxNameLen is how many bytes a name has at most.
const MaxNameLen = 4096

func validateLen(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > MaxNameLen:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), MaxNameLen)
	}
	return nil
}

func validate(name string, sharded bool) error {
	if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && '0' <= rest[0] && rest[0] <= '9' {
		return ErrReserved
	}
	if sharded && !tagged(name) && strings.Contains(name, "}") {
		return fmt.Errorf("%w: %.64q", ErrNotColocated, name)
	}
	return nil
}

// suffixes are what stands between prefix and name in the other keys of a lock. Redis Cluster places a
// key by its hash tag, the part between the first { and the next } if that is not empty, else by all of it
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
// A name with a tag is appended, and its tag counts; a name without becomes the tag. The two forms
// differ before the name, so that the names X and {X} don't share keys.
type suffixes struct{ withTag, without string }

// of returns the key of a name.
func (f suffixes) of(name string) string {
	if tagged(name) {
		return prefix + version + f.withTag + name
	}
	return prefix + version + f.without + name + "}"
}

// nameOf returns the kind and the name of the lock that has that AUX key.
func nameOf(aux string) (of Kind, name string, ok bool) {
	for of := range kinds {
		f := kinds[of].aux
		name, tagged := strings.CutPrefix(aux, prefix+version+f.withTag)
		if !tagged {
			name = strings.TrimSuffix(strings.TrimPrefix(aux, prefix+version+f.without), "}")
		}
		if name != "" && f.of(name) == aux {
			return Kind(of), name, true
		}
	}
	return 0, "", false
}

// auxPatterns returns the patterns of SCAN for AUX keys of names that match pattern.
func auxPatterns(pattern string) []string {
	if pattern == "*" {
		return []string{prefix + version + ":[ntsv]:*"}
	}
	return []string{prefix + version + ":[tv]:" + pattern, prefix + version + ":[ns]:{" + pattern + "}"}
}

// tagged reports whether Redis Cluster sees a hash tag in the name.
func tagged(name string) bool {
	_, tagged := hashTag(name)
	return tagged
}

// tagOf returns what Redis Cluster places a name by: names for which it is the same are in one slot.
func tagOf(name string) string {
	if tag, tagged := hashTag(name); tagged {
		return tag
	}
	return name
}

func hashTag(name string) (tag string, ok bool) {
	_, rest, ok := strings.Cut(name, "{")
	if !ok {
		return "", false
	}
	tag, _, ok = strings.Cut(rest, "}")
	return tag, ok && tag != ""
}
