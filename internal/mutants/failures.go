package main

// failure is a row of doc.go's table of failures, by its event, and the tests of what it says.
type failure struct {
	event string
	tests []string
}

var failures = []failure{
	{"holder's process dies", []string{"TestWaiterWakesWhenTheHolderExpires", "TestInteropGoDies", "TestProofInjected"}},
	{"holder is cut off", []string{"TestLease", "TestOwnersFake", "TestOwnersReal"}},
	{"Redis hangs or is gone", []string{"TestOwnersTransient", "TestOwnersStopped", "TestNoAnswerLost", "TestErrorsWaiting", "TestWaitingDisturbed"}},
	{"process is stopped", []string{"TestFrozenProcess"}},
	{"machine is suspended", []string{"TestMachineSlept"}},
	{"key deleted, FLUSHALL, eviction, restart without persistence, lost write", []string{"TestOwnersNotYours", "TestInteropTaken", "TestFence"}},
	{"restart or lost write, WithFailoverGrace", []string{"TestShortGrace"}},
	{"key overwritten, resumed elsewhere", []string{"TestOwnersNotYours", "TestDetach"}},
	{"ForceRelease", []string{"TestOwnersNotYours", "TestAnnounce", "TestInteropForceRelease"}},
	{"Release", []string{"TestReleaseOrder", "TestWaitingHandOff"}},
	{"Release before the end of the minimum hold", []string{"TestMinHold", "TestMinHoldWaiters", "TestMinHoldIsTold"}},
	{"its process dies, or is cut off, while the lock rests (WithLinger)", []string{"TestRestSilentHolder", "TestRestExpired"}},
	{"message lost, subscription cut or denied", []string{"TestWaitingWithoutMessages", "TestSubscriptionBackOff", "TestLeastRights"}},
	{"first waiter's process dies", []string{"TestWaitingDead", "TestWaitingKilled"}},
	{"parent context ends", []string{"TestContextEnds", "TestParentEndStopsRenewing", "TestReleaseAfterParent"}},
	{"the same, WithDrain", []string{"TestDrainRenewed", "TestDrainOver", "TestDrainEnds"}},
	{"maximum hold", []string{"TestMaxHold"}},
	{"Locker.Close", []string{"TestReleaseAfterClose", "TestUnknownClosed"}},
	{"Acquire is cancelled", []string{"TestUnknownCancelled", "TestUnknownAcquire", "TestWaitingCancelled", "TestLingerAcquire"}},
	{"Release gets no answer", []string{"TestUnknownRelease", "TestReleaseUnanswered", "TestLingerRelease"}},
	{"SCRIPT FLUSH", []string{"TestErrorsScriptFlush", "TestErrorsScriptFlushes"}},
	{"failover, slot migration", []string{"TestClusterFailover", "TestSentinelFailover", "TestClusterSlotMoves", "TestClusterHandOffWhileSlotMoves"}},
}
