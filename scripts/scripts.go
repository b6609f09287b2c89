// Package scripts holds the Lua that Redis runs for Holdfast.
//
// Each file that is not named lib_ or _rest is a script; its head says what it does, its keys,
// arguments and replies, and why running it again is safe. A lib_ file is a part that several
// scripts have in front of them. A _rest file is the part of a script that comes after its plain
// case.
package scripts

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// Script is a script's text, the hash that EVALSHA calls it by, and how many keys it
// takes for a lock: NAME and AUX, and the queue where that is needed.
type Script struct {
	Source, Hash string
	Keys         int
	// Graced: the call ends with two arguments more, see lib_said.lua.
	Graced bool
}

func script(keys int, source string) *Script {
	hash := sha1.Sum([]byte(source))
	return &Script{Source: source, Hash: hex.EncodeToString(hash[:]), Keys: keys}
}

// one is where the function begins that runs for every lock of a call.
const one = "lib_one"

// obstacle is the part that is a function of its own.
const obstacle = "lib_obstacle"

// perLock returns a script of these parts. What comes after one runs for every lock of a call.
func perLock(keys int, parts ...string) *Script {
	return script(keys, withParts(keys, parts, "lib_each"))
}

// together returns a script of these parts, which looks at every lock of a call before one runs.
func together(keys int, parts ...string) *Script {
	return script(keys, withParts(keys, parts, "acquire_all"))
}

// withParts returns the text of a script. The part last calls the function one.
func withParts(keys int, parts []string, last string) string {
	text := []string{fmt.Sprintf("local WIDTH = %d", keys), lua("lib_layout")}
	for _, part := range parts {
		switch part {
		case one:
			text = append(text, "local function one(lock)")
		case obstacle:
			text = append(text, "local function obstacle(lock)", lua(one), lua(part), "end")
			continue
		}
		text = append(text, lua(part))
	}
	return strings.Join(append(text, "end", lua(last)), "\n")
}

//go:embed *.lua
var files embed.FS

// lua returns the text of a file.
func lua(name string) string {
	text, err := files.ReadFile(name + ".lua")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// The scripts as Redis gets them: each after the parts that it uses. A part uses only parts before
// it.
var (
	Acquire    = perLock(3, acquire()...)
	AcquireAll = together(3, acquireAll()...)
	Release    = perLock(3, release()...)
	Force      = perLock(3, force()...)
	Resume     = perLock(2, resume()...)
	Inspect    = perLock(3, "lib_now", "lib_aux", "lib_lease", "lib_waiting", one, "inspect")

	Free     = perLock(2, "lib_now", "lib_fence", "lib_aux", "lib_lost", "lib_lease", "lib_install", "lib_tombstone", one, "free")
	Renew    = perLock(2, "lib_aux", "lib_lost", "lib_lease", "lib_ttl", one, "renew")
	Extend   = perLock(2, "lib_aux", "lib_lost", "lib_lease", one, "extend")
	Check    = perLock(2, "lib_aux", "lib_lost", "lib_lease", one, "check")
	Announce = perLock(2, "lib_aux", "lib_lost", "lib_lease", one, "announce")

	Drop  = perLock(1, "lib_aux", one, "drop")
	Touch = script(1, lua("touch"))
)

// Set is the scripts of a kind of lock, nil for what that kind does without.
type Set struct {
	Acquire, AcquireAll, Resume    *Script
	Renew, Extend, Check, Announce *Script // of a holder
	Release, Free, Drop            *Script
	Inspect, Force                 *Script
}

// Mutex are the scripts of a mutex.
var Mutex = &Set{
	Acquire: Acquire, AcquireAll: AcquireAll, Resume: Resume, Renew: Renew, Extend: Extend, Check: Check,
	Announce: Announce, Release: Release, Free: Free, Drop: Drop, Inspect: Inspect, Force: Force,
}

// GracedMutex are those for a Locker with a failover grace: they give a lock to somebody only in a
// replication history that the call names. Look is for nothing else.
var (
	GracedMutex = func() *Set {
		g := *Mutex
		g.Acquire = graced(perLock(3, acquire("lib_said", "lib_settled")...))
		g.AcquireAll = graced(together(3, acquireAll("lib_said", "lib_settled")...))
		g.Release = graced(perLock(3, append([]string{"lib_said"}, release("lib_settled")...)...))
		g.Force = graced(perLock(3, force("lib_said", "lib_settled")...))
		g.Resume = graced(perLock(2, resume("lib_said", "lib_settled")...))
		return &g
	}()
	Look = graced(script(1, lua("look")))
)

// Permits are the scripts of those who hold permits, and GracedPermits those for a Locker with a failover
// grace.
var (
	Permits = &Set{
		Acquire: permits("acquire"), Resume: permits("resume"), Renew: permits("renew"), Extend: permits("extend"),
		Check: permits("check"), Announce: permits("announce"), Release: permits("release"), Free: permits("free"),
		Inspect: permits("inspect"), Force: permits("force"),
	}
	GracedPermits = func() *Set {
		g := *Permits
		g.Acquire = graced(permits("acquire", "lib_said", "lib_settled"))
		g.Release = graced(permits("release", "lib_said", "lib_settled"))
		g.Force = graced(permits("force", "lib_said", "lib_settled"))
		g.Resume = graced(permits("resume", "lib_said", "lib_settled"))
		return &g
	}()
)

// Younger has, for each script that says that a lease is there, one that does not say so where a younger
// history than the server's was seen: its last argument is the older ones.
var Younger = map[*Script]*Script{
	Renew: younger(Renew), Extend: younger(Extend), Check: younger(Check), Touch: younger(Touch),
	Permits.Renew: younger(Permits.Renew), Permits.Extend: younger(Permits.Extend), Permits.Check: younger(Permits.Check),
}

func younger(s *Script) *Script { return script(s.Keys, lua("lib_older")+s.Source) }

func graced(s *Script) *Script {
	s.Graced = true
	return s
}

// The parts of the scripts that can give a lock to somebody. more come as early as they may: in
// release, whose plain case gives nothing, after that.

func acquire(more ...string) []string {
	return append(more, "lib_preread", "lib_now", "acquire", "lib_fence", "lib_aux", "lib_lease",
		"lib_publish", "lib_turn", "lib_queue", "lib_unsettled", one, "acquire_rest", "lib_install", "lib_served", "lib_grant", "acquire_free_rest")
}

func acquireAll(more ...string) []string {
	return append(more, "lib_preread", "lib_now", "lib_fence", "lib_aux", "lib_lease", "lib_publish", "lib_turn",
		"lib_queue", "lib_unsettled", obstacle, one, "acquire_rest", "lib_install", "lib_served", "lib_grant", "acquire_free_rest")
}

func release(more ...string) []string {
	parts := append([]string{"lib_preread", "release"}, more...)
	return append(parts, "lib_now", "lib_fence", "lib_aux", "lib_lost", "lib_lease", "lib_install", "lib_tombstone",
		"lib_publish", "lib_turn", "lib_start_turn", "lib_queue", "lib_served", "lib_grant", "lib_tell", "lib_keep", one, "release_rest")
}

func force(more ...string) []string {
	return append(more, "lib_now", "lib_fence", "lib_aux", "lib_lease", "lib_install",
		"lib_publish", "lib_turn", "lib_queue", "lib_served", "lib_grant", one, "force")
}

func resume(more ...string) []string {
	return append(more, "lib_now", "lib_fence", "lib_aux", "lib_lease", "lib_install", "lib_ttl", "lib_publish", one, "resume")
}

// permits returns the script of that name for those who hold permits.
func permits(name string, more ...string) *Script {
	parts, width := append(more, "lib_now"), 2
	for _, part := range []struct{ name, in string }{
		{"lib_fence", "acquire release free force resume"},
		{"lib_aux", name},
		{"lib_lost", "release free renew"},
		{"lib_lease", name},
		{"lib_install", "acquire release free force"},
		{"lib_tombstone", "release free"},
		{"lib_publish", "acquire release force resume"},
		{"lib_turn", "acquire release force"},
		{"lib_queue", "acquire release force"},
		{"lib_permits", name},
		{"lib_unsettled", "acquire"},
		{"lib_served", "acquire release force"},
		{"lib_permit_grant", "acquire release force"},
		{"lib_tell", "release"},
		{"lib_waiting", "inspect"},
	} {
		if strings.Contains(part.in, name) {
			parts = append(parts, part.name)
		}
	}
	if strings.Contains("acquire release force resume inspect", name) { // of the others none reads the queue
		width = 3
	}
	return perLock(width, append(parts, one, "permits_"+name)...)
}
