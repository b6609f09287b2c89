package store

import (
	"errors"
	"fmt"
	"strings"
)

// A lock has three keys: NAME, a string that holds the token as redis-py writes it; aux, a
// string of fence, attempt, label and tombstones; and the queue, a hash of the waiting attempts
// in order of arrival, and how to reach each.

// version is the protocol's. It is part of every key but NAME, so that another
// version's holder looks like a stranger instead of being misread.
const version = "2"

// prefix starts every key that is not a NAME.
const prefix = "holdfast:"

var (
	// ErrReserved: the name could be one of our own keys.
	ErrReserved = errors.New("names that start with " + prefix + " and a digit are reserved")
	// ErrRing: every client of a Ring decides by its own heartbeats which server has a key,
	// so two clients can take the same lock on two servers.
	ErrRing = errors.New("a redis.Ring can't hold a lock: its clients may disagree where a key is")
	// ErrNotColocated: on a sharded deployment no key beside NAME would be in its slot.
	ErrNotColocated = errors.New("a name with a } and no {tag} can't be placed in one cluster slot")
)

func validate(name string, sharded bool) error {
	if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && '0' <= rest[0] && rest[0] <= '9' {
		return ErrReserved
	}
	if sharded && !tagged(name) && strings.Contains(name, "}") {
		return fmt.Errorf("%w: %.64q", ErrNotColocated, name)
	}
	return nil
}

// auxOf and queueOf return the other keys of a name. Redis Cluster places a key by its hash
// tag, the part between the first { and the next } if that is not empty, else by all of it
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
// A name that has a tag passes it on by coming second; one that has none becomes the tag.
// The two forms differ before the name, so that the names X and {X} don't share their keys.
func auxOf(name string) string { return keyOf(name, ":t:", ":n:{") }

func queueOf(name string) string { return keyOf(name, ":u:", ":q:{") }

func keyOf(name, withTag, without string) string {
	if tagged(name) {
		return prefix + version + withTag + name
	}
	return prefix + version + without + name + "}"
}

// nameOf returns the name that an aux key belongs to.
func nameOf(aux string) (name string, ok bool) {
	name, tagged := strings.CutPrefix(aux, prefix+version+":t:")
	if !tagged {
		name = strings.TrimSuffix(strings.TrimPrefix(aux, prefix+version+":n:{"), "}")
	}
	return name, name != "" && auxOf(name) == aux
}

// auxPatterns returns what SCAN matches aux keys by whose names match a pattern.
func auxPatterns(pattern string) []string {
	if pattern == "*" {
		return []string{prefix + version + ":[nt]:*"}
	}
	return []string{prefix + version + ":t:" + pattern, prefix + version + ":n:{" + pattern + "}"}
}

// tagged reports whether Redis Cluster sees a hash tag in the name.
func tagged(name string) bool {
	_, rest, ok := strings.Cut(name, "{")
	if !ok {
		return false
	}
	tag, _, ok := strings.Cut(rest, "}")
	return ok && tag != ""
}
