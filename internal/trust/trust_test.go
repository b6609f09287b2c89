package trust

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ms = time.Millisecond
	s  = time.Second
)

var (
	tenSeconds = &Terms{TTL: 10 * s}
	few        = Pace{Few: true}
)

// granted is a lease of ten seconds that was asked for at 100 s and answered 30 ms later.
func granted() Lease { return Granted(tenSeconds, few, 100*s, 100*s+30*ms, 10*s) }

func TestBelievedFromTheRequest(t *testing.T) {
	for _, tc := range []struct {
		ttl, want time.Duration
	}{
		{10 * s, 100*s + 10*s - 200*ms - 20*ms},
		{84 * ms, 100*s + 84*ms - 1680*time.Microsecond - 20*ms},
		{-1, Forever},
	} {
		if l := Granted(tenSeconds, few, 100*s, 109*s, tc.ttl); l.Until() != tc.want {
			t.Errorf("with a TTL of %v it is believed until %v, not %v", tc.ttl, l.Until(), tc.want)
		}
	}
}

// TestBelievedAtMost: with a bound no answer of the server makes a lease believed for longer, not even
// one that says that there is no expiry.
func TestBelievedAtMost(t *testing.T) {
	for _, tc := range []struct{ longest, ttl, want time.Duration }{
		{0, 20 * s, 20 * s}, {0, -1, -1}, {0, 3 * s, 3 * s},
		{10 * s, 20 * s, 10 * s}, {10 * s, -1, 10 * s}, {10 * s, 3 * s, 3 * s}, {10 * s, 0, 0},
	} {
		terms := &Terms{TTL: 10 * s, Longest: tc.longest}
		if got := terms.Believed(tc.ttl); got != tc.want {
			t.Errorf("bound %v, TTL %v: %v, not %v", tc.longest, tc.ttl, got, tc.want)
		}
		want := 100*s + Trusted(tc.want)
		if tc.want < 0 {
			want = Forever
		}
		l := Granted(terms, few, 100*s, 100*s, 10*s)
		if n := l.Expect(terms, 100*s, tc.ttl, false); !l.Answered(terms, few, n, 100*s, 100*s, tc.ttl) || l.Until() != want {
			t.Errorf("bound %v, TTL %v: believed until %v, not %v", tc.longest, tc.ttl, l.Until(), want)
		}
	}
}

func TestRenewedAtHalf(t *testing.T) {
	for _, tc := range []struct {
		name        string
		terms       Terms
		ttl         time.Duration
		least, most time.Duration // after the request
	}{
		{"half of the TTL", Terms{TTL: 10 * s}, 10 * s, 3437 * ms, 5 * s},
		{"the interval", Terms{TTL: 10 * s, Interval: 2 * s}, 10 * s, 1375 * ms, 2 * s},
		{"a claim is confirmed soon", Terms{TTL: 10 * s}, 3 * s, 80 * ms, 80 * ms},
		{"without expiry", Terms{TTL: 10 * s, NoExpiry: true}, -1, 3437 * ms, 5 * s},
		{"not at all", Terms{TTL: 10 * s, NoRenewal: true}, 10 * s, 9780 * ms, 9780 * ms},
	} {
		for _, p := range []Pace{few, {}, {Offset: 7 * ms}} {
			l := Granted(&tc.terms, p, 100*s, 100*s+30*ms, tc.ttl)
			if at := l.Next() - 100*s; at < tc.least || at > tc.most {
				t.Errorf("%s, %+v: it is due %v after the request, not between %v and %v", tc.name, p, at, tc.least, tc.most)
			}
			if l.Due(l.Next()-1) || !tc.terms.NoRenewal && !l.Due(l.Next()) {
				t.Errorf("%s, %+v: it is not due at Next", tc.name, p)
			}
		}
	}
}

// Renewals of leases that are due at about the same time are sent at the same time.
func TestRenewedTogether(t *testing.T) {
	const leases = 1000
	times := make(map[time.Duration]bool)
	for i := range leases {
		l := Granted(tenSeconds, Pace{}, 100*s+time.Duration(i)*ms, 102*s, 10*s)
		times[l.Next()] = true
	}
	if len(times) > 8 {
		t.Errorf("%d leases that were taken within a second are renewed at %d times", leases, len(times))
	}
}

func TestRetry(t *testing.T) {
	l := granted()
	now := l.Next()
	first := l.Renew(tenSeconds, few, now, 200*ms)
	if first.Again || first.Silent != 0 || first.Numbered || first.Number == 0 || first.Bound != l.Until()-now {
		t.Errorf("the first try is %+v", first)
	}
	second := l.Next()
	if d := second - now; d < 300*ms || d > 900*ms {
		t.Errorf("without an answer it is tried again after %v", d)
	}
	again := l.Renew(tenSeconds, few, second, 200*ms)
	if !again.Again || again.Silent != second-now || again.Number != first.Number+1 {
		t.Errorf("the second try is %+v", again)
	}
	tries := 2
	for l.Next() < l.Until() {
		l.Renew(tenSeconds, few, l.Next(), 200*ms)
		if tries++; tries > 1000 {
			t.Fatal("it is tried without end")
		}
	}
	if tries < 4 {
		t.Errorf("it is tried %d times", tries)
	}
	l.Replied()
	if r := l.Renew(tenSeconds, few, l.Until()-ms, 200*ms); r.Again {
		t.Error("a try after an answer counts as one without")
	}
}

func TestKeepsAux(t *testing.T) {
	l := granted()
	if l.Renew(tenSeconds, few, 100*s+59*time.Minute, 0).Keep {
		t.Error("aux is kept before an hour has passed")
	}
	if !l.Renew(tenSeconds, few, 100*s+60*time.Minute, 0).Keep {
		t.Error("aux is not kept after an hour")
	}
	if l.Renew(tenSeconds, few, 100*s+61*time.Minute, 0).Keep {
		t.Error("aux is kept twice")
	}
	long := &Terms{TTL: 2 * time.Hour}
	if claim := Granted(long, few, 100*s, 100*s, ClaimTTL); !claim.Due(101*s) || !claim.Renew(long, few, 101*s, 0).Keep {
		t.Error("a claim of a long TTL does not keep aux")
	}
}

// A request that may shorten the lease counts before it is sent, and nothing that was sent before
// raises the end until it is answered.
func TestShorten(t *testing.T) {
	l := granted()
	long := l.Until()
	earlier := l.Renew(tenSeconds, few, 101*s, 0)
	number := l.Expect(tenSeconds, 102*s, s, true)
	short := 102*s + Trusted(s)
	if l.Until() != short || !l.Shortening() {
		t.Fatalf("it is believed until %v, not %v", l.Until(), short)
	}
	if r := l.Renew(tenSeconds, few, 102*s, 0); !r.Numbered || r.Number <= number {
		t.Errorf("the renewal behind it is %+v: Redis is not told its number", r)
	}
	if l.Number() == 0 {
		t.Error("Redis need not be told the number of a request behind it")
	}
	if l.Answered(tenSeconds, few, earlier.Number, 101*s, 102*s, 10*s) || l.Until() != short {
		t.Errorf("an answer to an earlier request makes it believed until %v", l.Until())
	}
	if !l.Answered(tenSeconds, few, number, 102*s, 103*s, s) || l.Shortening() || l.Until() != short {
		t.Errorf("its answer does not count; believed until %v", l.Until())
	}
	if l.Number() != 0 || l.Renew(tenSeconds, few, 103*s, 0).Numbered {
		t.Error("requests are numbered after the answer")
	}
	last := l.Renew(tenSeconds, few, 104*s, 0)
	if !l.Answered(tenSeconds, few, last.Number, 104*s, 104*s, 10*s) || l.Until() <= long {
		t.Errorf("a later renewal does not count; believed until %v", l.Until())
	}
	if l.Answered(tenSeconds, few, number, 102*s, 105*s, s) || !l.Overtaken(number) || !l.Latest(last.Number) {
		t.Error("an answer counts twice, or after a later one")
	}
}

// What was set short is renewed while there is time for further tries.
func TestShortIsRenewedEarlier(t *testing.T) {
	l := granted()
	l.Expect(tenSeconds, 101*s, 2*s, true)
	if next := l.Next(); next <= 101*s || next > 102*s {
		t.Errorf("two seconds set at 101s are renewed at %v", next)
	}
}

func TestAddedTimeIsNotCountedBefore(t *testing.T) {
	l := granted()
	before := l.Until()
	if l.Expect(tenSeconds, 101*s, time.Hour, false); l.Until() != before || l.Shortening() {
		t.Errorf("it is believed until %v before the answer", l.Until())
	}
}

func TestPassable(t *testing.T) {
	l := granted()
	least := Trusted(tenSeconds.Claim()) / 2
	if at := l.Until() - least; !l.Passable(tenSeconds, at) || l.Passable(tenSeconds, at+1) {
		t.Errorf("it is not passable until %v, with %v left", at, least)
	}
	l.Expect(tenSeconds, 101*s, 9*s, true)
	if l.Passable(tenSeconds, 101*s) {
		t.Error("it is passable while a request that may shorten it is unanswered")
	}
}

func TestNearlyOver(t *testing.T) {
	for _, tc := range []struct {
		left, ttl time.Duration
		want      bool
	}{
		{-1, 10 * s, true}, {0, 10 * s, true}, {Trusted(10*s)/5 - 1, 10 * s, true}, {Trusted(10*s) / 5, 10 * s, false},
		{0, 0, true},
	} {
		if got := NearlyOver(tc.left, tc.ttl); got != tc.want {
			t.Errorf("NearlyOver(%v, %v) is %v", tc.left, tc.ttl, got)
		}
	}
}

func TestAskedWithoutRenewal(t *testing.T) {
	terms := &Terms{TTL: 10 * s, NoRenewal: true}
	l := Granted(terms, few, 100*s, 100*s, 10*s)
	if r := l.Renew(terms, few, 101*s, 0); r.Number != 0 {
		t.Errorf("a lease without renewal is renewed: %+v", r)
	}
	if l.Next() != l.Until() {
		t.Errorf("it is due at %v, before its end at %v", l.Next(), l.Until())
	}
	claim := Granted(terms, few, 100*s, 100*s, ClaimTTL)
	if r := claim.Renew(terms, few, claim.Next(), 0); r.Number == 0 {
		t.Error("a claim without renewal is not renewed to the TTL once")
	}
	if d := claim.Lacking(terms); d != 7*s {
		t.Errorf("the claim lacks %v", d)
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		terms Terms
		want  string // empty: accepted
	}{
		{Terms{TTL: 84 * ms}, ""},
		{Terms{TTL: 10 * s, Interval: 9 * s}, ""},
		{Terms{NoExpiry: true}, ""},
		{Terms{TTL: 31 * ms, NoRenewal: true}, ""},
		{Terms{TTL: 60 * ms}, "60ms"},
		{Terms{TTL: 0}, "under 1ms"},
		{Terms{TTL: MaxDuration + 1}, "over"},
		{Terms{TTL: 30 * ms, NoRenewal: true}, "30ms"},
		{Terms{TTL: 10 * s, Interval: 10 * s}, "9.76s at most"},
		{Terms{TTL: 10 * s, Interval: ms - 1}, "under 1ms"},
	} {
		err := tc.terms.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.terms, err, tc.want)
		}
	}
}
