//go:build linux

package kubernetes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// pod is a container of a Pod, as a process. Its methods do what the kubelet does.
type pod struct {
	t        *testing.T
	name     string
	revision int // of the Deployment's template
	spec     corev1.PodSpec
	node     *node
	cmd      *exec.Cmd
	log      string // the file with what it prints
	addr     string // of its port for probes

	ready, unhealthy atomic.Bool   // as the probes say; unhealthy for good
	readySince       atomic.Int64  // in nanoseconds
	ended            chan struct{} // closed when the process has
	endedAt          time.Time     // from then on
	deleted, killed  atomic.Bool   // killed: the grace period was over
}

// node is where pods run: a folder in the place of /usr/local/bin, and a Redis in the place of that of the manifest.
type node struct {
	t       *testing.T
	bin     string
	redis   string
	secrets map[string]string // by "name/key"
	client  *http.Client
}

// container is the only one.
func (p *pod) container() corev1.Container { return p.spec.Containers[0] }

// start starts the container's process. If this process may, it is the first of a process namespace, as in a container.
func (n *node) start(name string, revision int, spec corev1.PodSpec) *pod {
	n.t.Helper()
	p := &pod{t: n.t, name: name, revision: revision, spec: spec, node: n, ended: make(chan struct{}), log: filepath.Join(n.t.TempDir(), "log")}
	c := p.container()
	env := p.environment()
	argv := append(append([]string(nil), c.Command...), c.Args...)
	p.addr = freeAddr(n.t)
	for i, arg := range argv {
		arg = expand(arg, env)
		arg = strings.Replace(arg, "/usr/local/bin/", n.bin+"/", 1)
		// All pods of this test have one network. Else 0.0.0.0 would do, and the port of the manifest.
		argv[i] = strings.Replace(arg, fmt.Sprintf("0.0.0.0:%d", port(n.t, c, c.LivenessProbe.HTTPGet.Port)), p.addr, 1)
	}
	log, err := os.Create(p.log)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	for key, value := range env {
		p.cmd.Env = append(p.cmd.Env, key+"="+value)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	p.run()
	n.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// run starts the process and its probes.
func (p *pod) run() {
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan error)
	go func() { // ends with the process, which the test ends
		runtime.LockOSThread() // for Pdeathsig, which is about the thread
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		defer cancel()
		err := p.cmd.Start()
		if started <- err; err != nil {
			return
		}
		var probes sync.WaitGroup // they end with the process
		c := p.container()
		probes.Go(func() { p.probe(ctx, c.ReadinessProbe, p.setReady) })
		probes.Go(func() {
			p.probe(ctx, c.LivenessProbe, func(healthy bool) { p.unhealthy.Store(p.unhealthy.Load() || !healthy) })
		})
		_ = p.cmd.Wait()
		p.endedAt = time.Now()
		cancel()
		probes.Wait()
		p.ready.Store(false)
	}()
	if err := <-started; err != nil {
		p.t.Fatal(err)
	}
}

// freeAddr returns an address that nobody else takes: all of 127.0.0.0/8 is this machine.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(256), 1+rand.IntN(250)))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// environment is that of the container.
func (p *pod) environment() map[string]string {
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOSTNAME": p.name}
	for _, e := range p.container().Env {
		value := expand(e.Value, env)
		if from := e.ValueFrom; from != nil {
			switch {
			case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.name":
				value = p.name
			case from.SecretKeyRef != nil:
				value = p.node.secrets[from.SecretKeyRef.Name+"/"+from.SecretKeyRef.Key]
			}
			if value == "" {
				p.t.Fatalf("%s has its value from what this kubelet does not know: %+v", e.Name, from)
			}
		}
		env[e.Name] = strings.Replace(value, "redis:6379", p.node.redis, 1)
	}
	return env
}

// expand puts variables in the place of $(NAME).
func expand(text string, env map[string]string) string {
	return regexp.MustCompile(`\$\(\w+\)`).ReplaceAllStringFunc(text, func(use string) string {
		if value, known := env[use[2:len(use)-1]]; known {
			return value
		}
		return use
	})
}

// port is the number of a port, by its name or itself.
func port(t *testing.T, c corev1.Container, which intstr.IntOrString) int {
	t.Helper()
	if which.Type == intstr.Int {
		return which.IntValue()
	}
	for _, p := range c.Ports {
		if p.Name == which.StrVal {
			return int(p.ContainerPort)
		}
	}
	t.Fatalf("there is no port %s", which.StrVal)
	return 0
}

// probe asks as a probe says, with the kubelet's defaults, and calls set when the answer has changed for good.
func (p *pod) probe(ctx context.Context, probe *corev1.Probe, set func(success bool)) {
	or := func(n, otherwise int32) int32 {
		if n == 0 {
			return otherwise
		}
		return n
	}
	period := time.Duration(or(probe.PeriodSeconds, 10)) * time.Second
	timeout := time.Duration(or(probe.TimeoutSeconds, 1)) * time.Second
	var row int32
	last := false
	for wait := time.Duration(probe.InitialDelaySeconds)*time.Second + 50*time.Millisecond; ; wait = period {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		success := p.node.get(ctx, "http://"+p.addr+probe.HTTPGet.Path, timeout)
		if row++; success != last {
			row, last = 1, success
		}
		if ctx.Err() == nil && (success && row == or(probe.SuccessThreshold, 1) || !success && row == or(probe.FailureThreshold, 3)) {
			set(success)
		}
	}
}

func (p *pod) setReady(ready bool) {
	if ready && !p.ready.Load() {
		p.readySince.Store(time.Now().UnixNano())
	}
	p.ready.Store(ready)
}

// get reports whether an answer is a success for a probe.
func (n *node) get(ctx context.Context, url string, timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return false
	}
	response, err := n.client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode >= 200 && response.StatusCode < 400
}

// leads reports what /leader says.
func (p *pod) leads() bool {
	return p.node.get(p.t.Context(), "http://"+p.addr+"/leader", 5*time.Second)
}

// terminate deletes the pod: the hook, SIGTERM, and SIGKILL at the end of the grace period. It returns at once.
func (p *pod) terminate() {
	p.deleted.Store(true)
	grace := time.After(time.Duration(*p.spec.TerminationGracePeriodSeconds) * time.Second)
	go func() { // ends with the process, which the test ends
		if hook := p.container().Lifecycle; hook != nil && hook.PreStop != nil {
			select {
			case <-time.After(time.Duration(hook.PreStop.Sleep.Seconds) * time.Second):
			case <-p.ended:
			}
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-grace:
			p.killed.Store(true)
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	}()
}

// said is what it has printed.
func (p *pod) said() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// term is one that a pod has written of.
type term struct{ begin, end time.Time }

var logged = regexp.MustCompile(`(?m)time=(\S+) level=INFO msg="term (begins|ends)"`)

// terms returns the pod's terms. One that has no end lasts until the process has ended, or until now.
func (p *pod) terms() (all []term) {
	end := time.Now() // before the look: if there is no end by then, it led at this time
	select {
	case <-p.ended:
		end = p.endedAt
	default:
	}
	for _, line := range logged.FindAllStringSubmatch(p.said(), -1) {
		at, err := time.Parse(time.RFC3339Nano, line[1])
		if err != nil {
			p.t.Fatal(err)
		}
		if line[2] == "begins" {
			all = append(all, term{begin: at})
		} else if len(all) > 0 {
			all[len(all)-1].end = at
		}
	}
	if n := len(all); n > 0 && all[n-1].end.IsZero() {
		all[n-1].end = end
	}
	return all
}
