package deployments_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// certificate makes one for 127.0.0.1 that signs itself, and returns its files and a pool that
// trusts it.
func certificate(t *testing.T) (certFile, keyFile string, trust *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "holdfast test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trust = x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust.AddCert(cert)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private), trust
}

// startTLS starts a server with a password that also listens for TLS, and returns the address
// of that.
func startTLS(t *testing.T, certFile, keyFile, password string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	_ = ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-ca-cert-file", certFile, "--tls-auth-clients", "no", "--requirepass", password)
	return addr
}

// TestTLS: locks work through TLS and a password, with all that goes between them: renewals,
// the subscription, a hand-over between two clients. Whoever lacks the password or the trust
// gets an error that gives nothing away.
func TestTLS(t *testing.T) {
	t.Parallel()
	const password = "0pen-sesame"
	certFile, keyFile, trust := certificate(t)
	addr := startTLS(t, certFile, keyFile, password)
	client := func(change func(*redis.Options)) *redis.Client {
		o := &redis.Options{Addr: addr, Password: password, TLSConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}, MaxRetries: -1}
		change(o)
		c := redis.NewClient(o)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	right := func(*redis.Options) {}
	through(t, client(right), "a", "b")

	first, second := holdfast.New(client(right)), holdfast.New(client(right))
	defer first.Close()
	defer second.Close()
	s := acquire(t, first.Mutex("handed"))
	next := make(chan *holdfast.Session, 1)
	go func() {
		s, err := second.Mutex("handed").Acquire(atMost(t))
		if err != nil {
			t.Error(err)
		}
		next <- s
	}()
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	must(t, s.Release(atMost(t)))
	if s = <-next; s == nil {
		return
	}
	if took := time.Since(start); took > 900*time.Millisecond {
		t.Errorf("handed over in %v: the subscription does not work", took)
	}
	must(t, s.Release(atMost(t)))

	for name, test := range map[string]struct {
		change func(*redis.Options)
		want   string
	}{
		"a wrong password":      {func(o *redis.Options) { o.Password = password + "!" }, "wrongpass"},
		"no password":           {func(o *redis.Options) { o.Password = "" }, "auth"},
		"an untrusted server":   {func(o *redis.Options) { o.TLSConfig.RootCAs = x509.NewCertPool() }, "certificate"},
		"another server's name": {func(o *redis.Options) { o.TLSConfig.ServerName = "elsewhere" }, "certificate"},
	} {
		l := holdfast.New(client(test.change))
		_, err := l.Mutex("a").TryAcquire(atMost(t))
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), test.want) || errors.Is(err, holdfast.ErrHeld) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", name, err)
		}
		_ = l.Close()
	}
}
