package main

// answerMutants are the rules of answers and messages that overtake each other, each broken.
var answerMutants = []mutant{
	{"a copy whose connection broke is forgotten", "internal/send/inflight.go",
		"f.broken = f.broken || got.InDoubt", "", "internal/send:TestCopyFails"},
	{"a lease is told that others wait only when its call has it", "internal/queue/attempt.go",
		"q.leases.add(l) // from now on", "// from now on", "internal/queue:TestToldBeforeItHas"},
	{"a lease that is lost before its call has it leaves a queue behind", "internal/queue/ask.go",
		"qs.tidy(l.Key(), q) // the lease", "// the lease", "internal/queue:TestLostBeforeServed"},
	{"a wait that begins when the Locker has been closed goes on", "internal/queue/pause.go",
		"return nil, w.qs.closed()", "return nil, false", "internal/queue:TestCloseWakesAll"},
	{"the maximum hold of one that a message told of its grant counts from before", "internal/queue/attempt.go",
		"qs.hold(a, w, a.sent, qs.Now(), ", "qs.hold(a, w, a.sent, a.sent, ", "TestMaxHoldAfterWait"},
	{"a single try is not told that others wait before its answer", "internal/queue/message.go",
		"for _, a := range qs.outside[rest] {", "for _, a := range qs.outside[\"\"] {", "internal/queue:TestToldBeforeItHas"},
	{"an older answer says that nobody waits", "internal/lease/pass.go",
		"l.others = wait || l.told != told", "l.others = wait", "internal/queue:TestOlderAnswer"},
	{"that others wait is believed for ever", "internal/lease/pass.go",
		"l.others = wait || l.told != told", "l.others = wait || l.told > 0", "internal/queue:TestOlderAnswer"},
	{"whose turn it is forgets that at an older answer", "internal/queue/attempt.go",
		"a.next = min(a.next, a.turn)", "", "internal/queue:TestTurnBeforeAnswer"},
	{"a turn that is over is waited for again", "internal/queue/ask.go",
		"a.askNow, a.turn, w.busy = false, 0, true", "a.askNow, w.busy = false, true", "internal/queue:TestTurnBeforeAnswer"},
}
