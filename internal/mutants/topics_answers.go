package main

var answerTopics = []topic{
	{"Answers and messages overtake each other: what is newer counts, and what may still run is undone.", []string{
		"a copy whose connection broke is forgotten",
		"a lease is told that others wait only when its call has it",
		"a lease that is lost before its call has it leaves a queue behind",
		"a wait that begins when the Locker has been closed goes on",
		"the maximum hold of one that a message told of its grant counts from before",
		"a single try is not told that others wait before its answer",
		"an older answer says that nobody waits",
		"that others wait is believed for ever",
		"whose turn it is forgets that at an older answer",
		"a turn that is over is waited for again",
	}},
}
