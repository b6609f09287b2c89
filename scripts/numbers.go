package scripts

import "time"

// What the scripts and the Go code must agree on. The scripts have these numbers in their text;
// tests of internal/store compare them with what the scripts do.
const (
	// AttemptLen is the length of an attempt, with which each owner string begins.
	AttemptLen = 36
	// AttemptInMessage is how many characters of an attempt the message of a grant has: enough to
	// tell it from others, too few to be the token.
	AttemptInMessage = 18
	// Claim is the longest lease that a waiter is granted without having been asked: CLAIM in
	// lib_queue.lua.
	Claim = 3 * time.Second
	// Alive is how long a waiter counts as alive after it asked: ALIVE in lib_queue.lua.
	Alive = 10 * time.Second
	// MaxTurn is the longest strangers' turn: MAX_TURN in lib_turn.lua.
	MaxTurn = 10 * time.Second
	// WaiterDigits is the length of the first number of a waiter in inspect's list, and
	// WaiterHead that of both: see lib_waiting.lua.
	WaiterDigits, WaiterHead = 15, 18
	// WantLen is the length of a want, with which the label of a waiter for permits begins, FenceLen that
	// of a fence, and Never the end of a lease without expiry: see lib_permits.lua and permits_inspect.lua.
	WantLen, FenceLen, Never = 20, 16, 999_999_999_999_999
	// MaxFence bounds fences: a Lua number holds all integers below it.
	MaxFence = 1 << 53
)
