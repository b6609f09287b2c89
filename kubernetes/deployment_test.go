//go:build linux

package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// controller makes a Deployment's pods, and replaces them when its template changes, as Kubernetes' Deployment
// controller does with a RollingUpdate: see "Max Unavailable", "Max Surge" and "Rollover" in Kubernetes' manual.
type controller struct {
	node       *node
	deployment *appsv1.Deployment
	revision   int // of the template
	pods       []*pod
}

// newController makes the first pods.
func newController(t *testing.T, n *node, d *appsv1.Deployment) *controller {
	t.Helper()
	c := &controller{node: n, deployment: d}
	for range *d.Spec.Replicas {
		c.create()
	}
	return c
}

func (c *controller) create() *pod {
	p := c.node.start(fmt.Sprintf("%s-%d-%d", c.deployment.Name, c.revision, len(c.pods)), c.revision, *c.deployment.Spec.Template.Spec.DeepCopy())
	c.pods = append(c.pods, p)
	return p
}

// live returns the pods that are not deleted, of the newest template or of those before.
func (c *controller) live(newest bool) (all []*pod) {
	for _, p := range c.pods {
		if !p.deleted.Load() && (p.revision == c.revision) == newest {
			all = append(all, p)
		}
	}
	return all
}

func available(pods []*pod) (n int) {
	for _, p := range pods {
		if p.ready.Load() {
			n++
		}
	}
	return n
}

// sync does the next step, and reports whether there was one.
func (c *controller) sync() bool {
	replicas := int(*c.deployment.Spec.Replicas)
	surge, unavailable := c.limits()
	newest, older := c.live(true), c.live(false)
	total := len(newest) + len(older)
	if more := min(replicas+surge-total, replicas-len(newest)); more > 0 {
		for range more {
			c.create()
		}
		return true
	}
	// So many must stay available, and the new pods that are not available yet are not counted on.
	least := replicas - unavailable
	down := total - least - (len(newest) - available(newest))
	if len(older) == 0 || down <= 0 {
		return false
	}
	// Old pods that are not ready first; then the others, the one first that has been ready for the shortest time.
	slices.SortStableFunc(older, func(a, b *pod) int {
		if a.ready.Load() != b.ready.Load() {
			if b.ready.Load() {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.readySince.Load(), a.readySince.Load())
	})
	down = min(down, len(older)-available(older)) + max(available(newest)+available(older)-least, 0)
	for _, p := range older[:min(down, len(older))] {
		p.terminate()
	}
	return down > 0
}

// limits are maxSurge and maxUnavailable as numbers: the one is rounded up, the other down, and not both are 0.
func (c *controller) limits() (surge, unavailable int) {
	replicas := int(*c.deployment.Spec.Replicas)
	limit := func(v *intstr.IntOrString, up bool) int {
		n, err := intstr.GetScaledValueFromIntOrPercent(v, replicas, up)
		if err != nil {
			c.node.t.Fatal(err)
		}
		return n
	}
	r := c.deployment.Spec.Strategy.RollingUpdate
	surge, unavailable = limit(r.MaxSurge, true), limit(r.MaxUnavailable, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// updated reports whether all pods are of the newest template, and complete whether they are available, too: then
// "kubectl rollout status" returns.
func (c *controller) updated() bool {
	return len(c.live(true)) == int(*c.deployment.Spec.Replicas) && len(c.live(false)) == 0
}

func (c *controller) complete() bool {
	return c.updated() && available(c.live(true)) == int(*c.deployment.Spec.Replicas)
}
