//go:build linux

package kubernetes

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// What docs/kubernetes.md says of the time without a leader, and slack for a busy machine. The first two are
// told apart by far.
const (
	leaseTTL   = 15 * time.Second
	afterTTL   = time.Second
	handOver   = 100 * time.Millisecond
	slack      = 5 * time.Second
	waitAtMost = 90 * time.Second
)

// each runs a test with both Deployments of the page.
func each(t *testing.T, test func(t *testing.T, d *appsv1.Deployment), different ...int) {
	t.Run("command", func(t *testing.T) { t.Parallel(); test(t, deployment(t, different...)) })
	t.Run("library", func(t *testing.T) {
		t.Parallel()
		test(t, deployment(t, append([]int{ofLibrary}, different...)...))
	})
}

// until waits for something, and meanwhile sees that never do two pods lead and that none is unhealthy.
func (c *controller) until(what string, cond func() bool) {
	c.node.t.Helper()
	for end := time.Now().Add(waitAtMost); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		c.oneLeads()
		if cond() {
			return
		}
	}
	for _, p := range c.pods {
		c.node.t.Logf("%s: ready %v, deleted %v\n%s", p.name, p.ready.Load(), p.deleted.Load(), p.said())
	}
	c.node.t.Fatalf("it did not come to pass that %s", what)
}

// oneLeads fails the test if two terms overlap, or a liveness probe has failed for good, or a pod that was not
// deleted has ended.
func (c *controller) oneLeads() {
	t := c.node.t
	t.Helper()
	terms := c.terms()
	for i, term := range terms {
		if i > 0 && term.begin.Before(terms[i-1].end) {
			t.Fatalf("two lead: %v to %v, and %v to %v", terms[i-1].begin, terms[i-1].end, term.begin, term.end)
		}
	}
	for _, p := range c.pods {
		if p.deleted.Load() {
			continue
		}
		if p.unhealthy.Load() {
			t.Fatalf("%s: the liveness probe fails\n%s", p.name, p.said())
		}
		select {
		case <-p.ended:
			if !p.deleted.Load() {
				t.Fatalf("%s has ended: %v\n%s", p.name, p.cmd.ProcessState, p.said())
			}
		default:
		}
	}
}

// terms are those of all pods, in the order in which they began.
func (c *controller) terms() (all []term) {
	for _, p := range c.pods {
		all = append(all, p.terms()...)
	}
	slices.SortStableFunc(all, func(a, b term) int { return a.begin.Compare(b.begin) })
	return all
}

// leader waits until one pod works and says that it leads, and returns it.
func (c *controller) leader() (leads *pod) {
	c.node.t.Helper()
	c.until("one leads", func() bool {
		for _, p := range c.pods {
			if terms := p.terms(); len(terms) > 0 && !p.deleted.Load() && p.leads() {
				leads = p
			}
		}
		return leads != nil
	})
	return leads
}

// gap is the time between the last two terms.
func (c *controller) gap() time.Duration {
	c.node.t.Helper()
	var terms []term
	c.until("the next one leads", func() bool { terms = c.terms(); return len(terms) > 1 })
	gap := terms[len(terms)-1].begin.Sub(terms[len(terms)-2].end)
	c.node.t.Logf("nobody led for %v", gap)
	return gap
}

// TestDeleted: the pod that leads is deleted. Its program has the time that it needs, within the grace period, and
// the other leads as soon as it has ended.
func TestDeleted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *appsv1.Deployment) {
		c := newController(t, newNode(t, 2*time.Second), d)
		leader := c.leader()
		c.until("both are ready", c.complete)
		leader.terminate()
		if gap := c.gap(); gap > handOver+slack {
			t.Errorf("nobody led for %v", gap)
		}
		<-leader.ended
		if leader.killed.Load() || leader.cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("it ended by %v, killed: %v\n%s", leader.cmd.ProcessState, leader.killed.Load(), leader.said())
		}
	})
}

// TestPreStop: while the hook of the pod that leads runs, that pod leads.
func TestPreStop(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
			PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}}
		c := newController(t, newNode(t, 100*time.Millisecond), d)
		leader := c.leader()
		c.until("both are ready", c.complete)
		deleted := time.Now()
		leader.terminate()
		gap := c.gap()
		if end := leader.terms()[0].end; end.Sub(deleted) < 5*time.Second || gap > handOver+slack {
			t.Errorf("it led until %v after its deletion, and then nobody did for %v", end.Sub(deleted), gap)
		}
		<-leader.ended
		if leader.killed.Load() {
			t.Errorf("it was killed\n%s", leader.said())
		}
	})
}

// TestKilled: the program does not end within the grace period. The pod is killed, and the other leads when
// the TTL is over.
func TestKilled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *appsv1.Deployment) {
		*d.Spec.Template.Spec.TerminationGracePeriodSeconds = 3
		c := newController(t, newNode(t, time.Hour), d)
		leader := c.leader()
		c.until("both are ready", c.complete)
		leader.terminate()
		if gap := c.gap(); gap > leaseTTL+afterTTL+slack {
			t.Errorf("nobody led for %v", gap)
		}
		if !leader.killed.Load() {
			t.Errorf("it ended by %v\n%s", leader.cmd.ProcessState, leader.said())
		}
	})
}

// TestNodeLost: the process of the pod that leads is gone at once, without a word.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *appsv1.Deployment) {
		c := newController(t, newNode(t, time.Second), d)
		leader := c.leader()
		c.until("both are ready", c.complete)
		leader.deleted.Store(true) // nobody wonders that it has ended
		if err := leader.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if gap := c.gap(); gap < leaseTTL/4 || gap > leaseTTL+afterTTL+slack {
			t.Errorf("nobody led for %v", gap)
		}
	})
}

// TestRollout: a new template replaces one pod after the other. There is a spare all the time, no pod is killed, and
// the leadership moves at most once for each old pod.
func TestRollout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *appsv1.Deployment) {
		c := newController(t, newNode(t, time.Second), d)
		c.leader()
		c.until("both are ready", c.complete)
		c.revision++
		c.until("the rollout is complete", func() bool {
			if n := available(append(c.live(true), c.live(false)...)); n < int(*d.Spec.Replicas) {
				t.Errorf("%d pods are available", n)
			}
			c.sync()
			return c.complete()
		})
		c.leader()
		terms := c.terms()
		if moves := len(terms) - 1; moves < 1 || moves > int(*d.Spec.Replicas) {
			t.Errorf("the leadership moved %d times", moves)
		}
		for i, term := range terms[1:] {
			if gap := term.begin.Sub(terms[i].end); gap > handOver+slack {
				t.Errorf("nobody led for %v", gap)
			}
		}
		for _, p := range c.pods {
			if p.revision == 0 {
				<-p.ended
			}
			if p.killed.Load() {
				t.Errorf("%s was killed\n%s", p.name, p.said())
			}
		}
	})
}

// TestRolloutByLeadership: with /leader as the readiness probe a rollout comes to a halt unless all pods may
// be unavailable. Then all are replaced, but the Deployment is not complete.
func TestRolloutByLeadership(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *appsv1.Deployment) {
		for unavailable := range int(*d.Spec.Replicas) {
			limited := d.DeepCopy()
			r := limited.Spec.Strategy.RollingUpdate
			r.MaxUnavailable.Type, r.MaxUnavailable.IntVal = 0, int32(unavailable)
			c := newController(t, newNode(t, time.Second), limited)
			old := c.leader()
			c.until("the leader is ready", old.ready.Load)
			c.revision++
			for range 5 { // each step, with time for the new pods to wait
				for c.sync() {
				}
				for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					c.oneLeads()
				}
			}
			if c.updated() || old.deleted.Load() || !old.leads() {
				t.Errorf("with maxUnavailable %d the rollout has gone on: the old leader is deleted: %v", unavailable, old.deleted.Load())
			}
		}
		c := newController(t, newNode(t, time.Second), d)
		old := c.leader()
		c.until("the leader is ready", old.ready.Load)
		c.revision++
		c.until("all pods are new", func() bool { c.sync(); return c.updated() })
		leader := c.leader()
		c.until("one of the new is ready", leader.ready.Load)
		if leader.revision != c.revision || c.complete() || available(c.live(true)) != 1 {
			t.Errorf("%s leads, and %d pods are available", leader.name, available(c.live(true)))
		}
	}, byLeader)
}
