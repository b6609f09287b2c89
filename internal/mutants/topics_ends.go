package main

var endTopics = []topic{
	{"Whatever comes from a session is done at the first look, and before the lock goes to another.", []string{
		"a session is live while its outer session's end is under way",
		"an end that comes while the context is first needed is missed",
		"the watchdog waits for the caller's context",
		"what drains is live while its outer session's end is under way",
		"what drains under several locks outlives the loss of one",
		"Draining does not look at the clock",
		"a group's context does not look at the clock",
		"what comes from a session is live while the session's end is under way",
		"a lock is given away before all that comes from its session is done",
		"a job begins after the caller's end",
		"a request that a release overtakes finds a loss",
	}},
}
