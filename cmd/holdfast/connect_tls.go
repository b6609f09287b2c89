package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Which files hold the certificates, if no flag says so.
const (
	envTLSCert = "HOLDFAST_TLS_CERT"
	envTLSKey  = "HOLDFAST_TLS_KEY"
	envTLSCA   = "HOLDFAST_TLS_CA"
)

// tlsFiles are the files with which TLS is spoken, all in PEM.
type tlsFiles struct {
	cert, key string // our certificate and its key
	ca        string // the certificates of the authorities that are trusted
}

func (f *tlsFiles) addFlags(cmd *cobra.Command) {
	for _, flag := range []struct {
		value      *string
		name, says string
	}{
		{&f.cert, "tls-cert", "`FILE` with the client's certificate, if Redis wants one (default $" + envTLSCert + ")"},
		{&f.key, "tls-key", "`FILE` with the key of that certificate (default $" + envTLSKey + ")"},
		{&f.ca, "tls-ca", "`FILE` with the certificate authorities for Redis, instead of the system's (default $" + envTLSCA + ")"},
	} {
		cmd.Flags().StringVar(flag.value, flag.name, "", flag.says)
		_ = cmd.MarkFlagFilename(flag.name)
	}
}

// orEnvironment is the files as the flags or else the environment say.
func (f tlsFiles) orEnvironment() tlsFiles {
	return tlsFiles{
		cert: cmp.Or(f.cert, os.Getenv(envTLSCert)),
		key:  cmp.Or(f.key, os.Getenv(envTLSKey)),
		ca:   cmp.Or(f.ca, os.Getenv(envTLSCA)),
	}
}

// apply puts the files into a client's configuration, which is nil if the URL says no TLS.
func (f tlsFiles) apply(config *tls.Config) error {
	switch {
	case f == tlsFiles{}:
		return nil
	case config == nil:
		return errors.New("--tls-cert, --tls-key and --tls-ca (or " + envTLSCert + " and so on) want TLS, which the URL does not say: its scheme must begin with rediss")
	case (f.cert == "") != (f.key == ""):
		return errors.New("--tls-cert and --tls-key belong together: one is missing")
	}
	if f.cert != "" {
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.cert, f.key)
			return &pair, err
		}
		if _, err := load(); err != nil {
			return fmt.Errorf("reading the client's certificate and key: %w", err)
		}
		// At each connection anew: lead may run for longer than a certificate is valid.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("reading the authorities' certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("reading the authorities' certificates: %s has none in PEM", f.ca)
		}
	}
	return nil
}
