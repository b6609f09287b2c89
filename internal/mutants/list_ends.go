package main

// endMutants are the rules of what comes from a session's context, each broken.
var endMutants = []mutant{
	{"a session is live while its outer session's end is under way", "internal/endctx/endctx.go",
		"settle(c.parent)", "", "TestContextEndsWithOuter"},
	{"an end that comes while the context is first needed is missed", "internal/endctx/endctx.go",
		"return c.state.Load().std != nil", "return st != nil", "internal/endctx:TestEndWhileNeeded"},
	{"the watchdog waits for the caller's context", "internal/endctx/endctx.go",
		"if c, ours := ctx.(interface{ peek() error }); ours && !mayWait {", "if c, ours := ctx.(interface{ peek() error }); ours && false {", "TestStuckParent"},
	{"what drains is live while its outer session's end is under way", "internal/endctx/delayed.go",
		"settle(d.outer)", "", "internal/endctx:TestDelayedWhileOuterEnds"},
	{"what drains under several locks outlives the loss of one", "acquire.go",
		"c.outer = outer\n", "s, _ := FromContext(ctx)\n\t\tc.outer = s.Context()\n", "TestAllDrainBelow"},
	{"Draining does not look at the clock", "session.go",
		"d.Begun(s.ctx.Err() != nil)", "d.Begun(false)", "TestFirstLook"},
	{"a group's context does not look at the clock", "internal/endctx/looking.go",
		"if l.from.Err() != nil {", "if false {", "TestFirstLook"},
	{"what comes from a session is live while the session's end is under way", "internal/endctx/looking.go",
		"<-l.Context.Done()\n\t}", "}", "internal/tick:TestRunEndsWithItsSession"},
	{"a lock is given away before all that comes from its session is done", "internal/release/release.go",
		"\t\th.Lease().Look()\n\t}\n\th.EndAs(ends[how])", "\t\th.Lease().Look()\n\t\th.EndAs(ends[how])\n\t}", "TestReleaseTellsFirst"},
	{"a job begins after the caller's end", "internal/endctx/either.go",
		"if e.Context.Err() == nil && e.other.Err() != nil {", "if false {", "internal/tick:TestNoRunAfterTheEnd"},
	{"a request that a release overtakes finds a loss", "session.go",
		"if cause := s.Err(); err != nil && cause != nil {", "if cause := s.Err(); err == lease.ErrOvertaken && cause != nil {", "TestOvertakenByRelease"},
}
