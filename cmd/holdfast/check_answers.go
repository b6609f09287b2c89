package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/holdfast-go/holdfast/internal/store"
)

// checkAnswers asks all nodes at once whether they answer, and returns those that do. The others
// are not asked for more: each question to a server that hangs would take its read timeout.
func checkAnswers(ctx context.Context, nodes []node) (answer []node, silent []finding) {
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			errs[i] = within(ctx, pingTimeout, func() error { return answerOf(ctx, n.client) })
		})
	}
	all.Wait()
	for i, n := range nodes {
		switch err := errs[i]; {
		case err == nil || store.Answered(err):
			answer = append(answer, n)
		case n.master:
			silent = append(silent, finding{"answers", bad, fmt.Sprintf("%s: no answer (%s)", n.addr, message(err)), "The locks that this master has can't be had."})
		default:
			silent = append(silent, finding{"answers", warn, fmt.Sprintf("%s: no answer (%s)", n.addr, message(err)), "This replica can't take over."})
		}
	}
	return answer, silent
}
