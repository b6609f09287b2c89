//go:build linux

package kubernetes

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// The manifests of docs/kubernetes.md, in their order.
const (
	ofCommand  = iota // the Deployment of "holdfast lead"
	ofLibrary         // what is different in that of the library
	ofService         // the Service that routes to the leader
	byLeader          // what is different in a Deployment whose readiness is leadership
	manifests_ = iota // how many there are
)

// manifests returns the YAML of the page.
func manifests(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		all = append(all, block[1])
	}
	if len(all) != manifests_ {
		t.Fatalf("docs/kubernetes.md has %d manifests; want %d", len(all), manifests_)
	}
	return all
}

// deployment is the one of the page, with the differences of these manifests applied to it as kubectl and
// Kustomize do.
func deployment(t *testing.T, different ...int) *appsv1.Deployment {
	t.Helper()
	all := manifests(t)
	whole, err := yaml.YAMLToJSON([]byte(all[ofCommand]))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range different {
		patch, err := yaml.YAMLToJSON([]byte(all[i]))
		if err != nil {
			t.Fatal(err)
		}
		if whole, err = strategicpatch.StrategicMergePatch(whole, patch, appsv1.Deployment{}); err != nil {
			t.Fatal(err)
		}
	}
	var d appsv1.Deployment
	if err := json.Unmarshal(whole, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// TestManifests: each manifest has only fields that its kind has, and the Deployments hang together as the server
// demands it.
func TestManifests(t *testing.T) {
	t.Parallel()
	for _, text := range manifests(t) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			t.Fatal(err)
		}
		var object any
		switch kind.APIVersion + " " + kind.Kind {
		case "apps/v1 Deployment":
			object = new(appsv1.Deployment)
		case "v1 Service":
			object = new(corev1.Service)
		default:
			t.Fatalf("the manifest is of %+v:\n%s", kind, text)
		}
		if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		if wrong := strings.Replace(text, "metadata:", "metadatas:", 1); yaml.UnmarshalStrict([]byte(wrong), object) == nil {
			t.Error("a field that there is not is accepted")
		}
	}
	for _, different := range [][]int{nil, {ofLibrary}, {byLeader}, {ofLibrary, byLeader}} {
		hangsTogether(t, deployment(t, different...))
	}
	var service corev1.Service
	if err := yaml.Unmarshal([]byte(manifests(t)[ofService]), &service); err != nil {
		t.Fatal(err)
	}
	d := deployment(t, byLeader)
	for key, value := range service.Spec.Selector {
		if d.Spec.Template.Labels[key] != value {
			t.Errorf("the Service selects %s=%s, and the pods have %v", key, value, d.Spec.Template.Labels)
		}
	}
	for _, p := range service.Spec.Ports {
		port(t, d.Spec.Template.Spec.Containers[0], p.TargetPort)
	}
}

// hangsTogether checks what the names in a Deployment refer to.
func hangsTogether(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	for key, value := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[key] != value {
			t.Errorf("the Deployment selects %s=%s, and its pods have %v", key, value, d.Spec.Template.Labels)
		}
	}
	for _, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
		for key, value := range spread.LabelSelector.MatchLabels {
			if d.Spec.Template.Labels[key] != value {
				t.Errorf("pods with %s=%s are spread, and these have %v", key, value, d.Spec.Template.Labels)
			}
		}
	}
	if n := len(d.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("there are %d containers", n)
	}
	c := d.Spec.Template.Spec.Containers[0]
	if c.ReadinessProbe == nil || c.LivenessProbe == nil {
		t.Fatal("there is no readiness probe, or no liveness probe")
	}
	port(t, c, c.ReadinessProbe.HTTPGet.Port)
	port(t, c, c.LivenessProbe.HTTPGet.Port)
	names := make(map[string]bool)
	for _, e := range c.Env {
		names[e.Name] = true
	}
	for _, text := range append(c.Command, c.Args...) {
		for _, v := range regexp.MustCompile(`\$\((\w+)\)`).FindAllStringSubmatch(text, -1) {
			if !names[v[1]] {
				t.Errorf("%s is used, and is not in the environment", v[0])
			}
		}
	}
}
