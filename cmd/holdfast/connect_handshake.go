package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// handshake says what went wrong between our TLS and the server's, and what to do. It returns
// nothing for an error that has to do with neither.
func (t *target) handshake(err error) (says string) {
	if says = certificateProblem(err); says != "" {
		return says
	}
	if remote, ok := errors.AsType[*net.OpError](err); ok && remote.Op == "remote error" && strings.HasPrefix(remote.Err.Error(), "tls: ") {
		return t.alert(remote.Err.Error())
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return speaksPlain
	}
	if t.tls == nil && t.speaks(startsTLS) {
		return "it speaks TLS: the URL's scheme must be rediss, rediss-sentinel or rediss-cluster"
	}
	if t.tls == nil {
		return ""
	}
	if t.speaks(answersPlain) {
		return speaksPlain
	}
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if closed && t.tls.GetClientCertificate == nil {
		return "it has closed the connection: it may want a client's certificate (--tls-cert, --tls-key)"
	}
	return ""
}

const speaksPlain = "it does not speak TLS there: name its TLS port, or say redis instead of rediss"

// certificateProblem is what is wrong with the server's certificate.
func certificateProblem(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "--tls-ca FILE says which authority vouches for its certificate"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the host in the URL must be one that its certificate names"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "its certificate must be renewed, or a clock is wrong"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate can't be trusted"
	}
	return ""
}

// alert is what to do about what the server has told our TLS.
func (t *target) alert(text string) string {
	missing := t.tls != nil && t.tls.GetClientCertificate == nil
	switch {
	case strings.Contains(text, "certificate required"), missing && strings.Contains(text, "handshake failure"), missing && strings.Contains(text, "bad certificate"):
		return "it wants a client's certificate: --tls-cert FILE and --tls-key FILE"
	case strings.Contains(text, "certificate"):
		return "it does not accept the client's certificate, which must be valid, and from an authority that Redis trusts"
	}
	return "its log may say more"
}

// probeTimeout bounds a look at how the server speaks.
const probeTimeout = time.Second

// speaks tries one way of speaking on the first address. No secret is sent.
func (t *target) speaks(try func(net.Conn) bool) bool {
	if t.probe == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.probe)
	if err != nil {
		return false
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end)
	return try(conn)
}

// startsTLS reports whether the server goes into a TLS handshake, whatever it makes of it.
func startsTLS(conn net.Conn) bool {
	err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake() // nothing is sent through it
	remote, ok := errors.AsType[*net.OpError](err)
	return err == nil || ok && remote.Op == "remote error"
}

// answersPlain reports whether the server answers without TLS: with PONG, or that it wants a password.
func answersPlain(conn net.Conn) bool {
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return false
	}
	reply := make([]byte, 16)
	n, _ := io.ReadAtLeast(conn, reply, 1)
	return bytes.HasPrefix(reply[:n], []byte("+")) || bytes.HasPrefix(reply[:n], []byte("-"))
}
