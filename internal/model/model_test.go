package model

import (
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// near is how many states of a world are visited, those that are nearest to the start: so many that the search
// finds what most of the rules prevent. HOLDFAST_MODEL may say another number: 8000000 visits nearly all, and
// takes most of an hour.
func near() int {
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_MODEL")); err == nil {
		return n
	}
	return 60_000
}

// some is near in the full set, else a quarter: for a search that is expected to find nothing.
func some() int {
	if os.Getenv("HOLDFAST_TEST") == "full" || os.Getenv("HOLDFAST_MODEL") != "" {
		return near()
	}
	return near() / 4
}

var (
	two   = [clients]Role{Known, Known}
	three = [clients]Role{Known, Known, Known}

	crash    = World{Name: "crash", Roles: three, TTL: 2, Claim: 1, Skew: 1, Flights: 1, Crash: true}
	crashTwo = World{Name: "crash, two clients", Roles: two, TTL: 2, Claim: 1, Skew: 1, Flights: 2, Crash: true}
	heirs    = World{Name: "heirs", Roles: three, TTL: 2, Claim: 1, Flights: 1, Crash: true, Heirs: true}
	resumes  = World{Name: "Resume", Roles: [clients]Role{Resumer, Resumer, Known}, TTL: 2, Claim: 1, Flights: 2, Crash: true}
	forced   = World{Name: "force", Roles: [clients]Role{Known, Known, Operator}, TTL: 2, Claim: 1, Skew: 1, Flights: 1, Crash: true, Held: true}
	failover = World{Name: "failover", Roles: two, TTL: 2, Claim: 1, Demote: 2, W: 2, Flights: 2}
	slow     = World{Name: "failover, slow answers", Roles: two, TTL: 2, Claim: 1, Demote: 2, W: 2, Flights: 1, Slow: true}
	claims   = World{Name: "failover, three clients", Roles: three, TTL: 2, Claim: 2, Flights: 1}
	extends  = World{Name: "Extend", Roles: two, TTL: 2, Claim: 1, Demote: 1, W: 1, Flights: 1, Long: 5}
	newcomer = World{Name: "new client", Roles: [clients]Role{Known, New}, TTL: 2, Claim: 1, Demote: 2, W: 2, Flights: 1}
	looks    = World{Name: "stamp", Roles: [clients]Role{Known, New}, TTL: 2, Claim: 1, Demote: 2, W: 2, Flights: 1, Looks: true, Leap: true, Margin: 1}
	freeze   = World{Name: "freeze", Roles: two, TTL: 2, Claim: 1, Demote: 1, W: 3, Flights: 1, Freeze: true}
	turn     = World{Name: "freeze, three clients", Roles: [clients]Role{Known, Known, New}, TTL: 1, Claim: 1, W: 1, Flights: 1, Freeze: true}
	back     = World{Name: "given back", Roles: two, TTL: 1, Claim: 1, Demote: 1, W: 1, Flights: 2, GiveBack: true, Late: true}
	backOne  = World{Name: "given back, one request", Roles: two, TTL: 1, Claim: 1, Demote: 1, W: 1, Flights: 1, GiveBack: true, Late: true}
	linger   = World{Name: "given back, B lingers", Roles: two, TTL: 2, Claim: 1, Demote: 1, W: 1, Flights: 1, GiveBack: true, Linger: true}
	twice    = World{Name: "given back, asked twice", Roles: two, TTL: 1, Claim: 1, Demote: 1, W: 1, Flights: 2, GiveBack: true, Late: true, Old: true, Twice: true}
)

// TestRulesHold: with all rules on, nothing is broken.
func TestRulesHold(t *testing.T) {
	for _, w := range []World{crash, crashTwo, heirs, resumes, forced, failover, slow, claims, extends, newcomer, looks, freeze, turn, back, backOne, twice} {
		t.Run(w.Name, func(t *testing.T) {
			r := Search(w, 0, some())
			t.Logf("%+v\n%d states, all: %v; sessions given by H1 %d, by H2 %d", w, r.States, r.Whole, r.GivenBy[0], r.GivenBy[1])
			if r.Trace != "" {
				t.Errorf("with all rules on:\n%s", r.Trace)
			}
			if r.Whole && (r.GivenBy[0] == 0 || r.GivenBy[1] == 0) {
				t.Error("a history never gave anything: the world shows nothing")
			}
		})
	}
}

// TestEachRuleIsNeeded: with a rule off, the search finds what the rule prevents.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, x := range []struct {
		rule string
		off  Rules
		in   World
		far  bool // further away than what is visited by default
	}{
		{"R1, acquire", GiveFree, crashTwo, false},
		{"R1, acquire for the head of the queue", GiveHead, crash, false},
		{"R1, yours", GiveYours, crashTwo, false},
		{"R1, Resume", GiveResume, resumes, true},
		{"R1, release", GiveRelease, crash, false},
		{"R1, heir", GiveHeir, heirs, false},
		{"R1, force", GiveForce, forced, false},
		{"R2, first answer", FirstAnswer, failover, false},
		{"R2, W", WaitW, failover, false},
		{"R2, TTL", WaitTTL, failover, false},
		{"R2, younger history", Younger | ForGood, backOne, false},
		{"R2, for good", ForGood, backOne, false},
		{"R2, at arrival", Arrival, twice, true},
		{"R2, at a renewal's arrival", ArrivalRenewal, freeze, true},
		{"R3, first history", FirstHistory, newcomer, false},
		{"R3, stamp's history", StampHistory, looks, false},
		{"R3, stamp's margin", StampMargin, looks, true},
		{"R3, stamp's replicas", StampNumber, looks, true},
		{"R4 and R2 at a message's arrival", Message | ArrivalMessage, claims, true},
		{"R5", Replicas, failover, false},
		{"R5, stays so for W", ReplicasWait, failover, true},
		{"R5, first turn", Turn, freeze, false},
		{"R5, first turn, messages", TurnMessage, turn, true},
		{"R6", Longest, extends, false},
		{"R7", Place, crash, false},
	} {
		t.Run(x.rule, func(t *testing.T) {
			most := near()
			if x.far {
				most = some()
			}
			r := Search(x.in, x.off, most)
			t.Logf("%s without %s: %d states\n%s", x.in.Name, x.rule, r.States, r.Trace)
			if r.Trace == "" && (!x.far || r.Whole) {
				t.Errorf("nothing found; all states: %v", r.Whole)
			}
		})
	}
}

// TestWhatStaysOutside: what docs/failover.md does not promise is not kept. If it is one day, say so there.
func TestWhatStaysOutside(t *testing.T) {
	r := Search(linger, 0, some())
	t.Logf("%d states\n%s", r.States, r.Trace)
	if r.Trace == "" && r.Whole {
		t.Error("nothing is broken")
	}
}
