package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

// Where a password comes from, apart from REDIS_URL.
const (
	envURL              = "REDIS_URL"
	envPassword         = "HOLDFAST_REDIS_PASSWORD"
	envPasswordFile     = "HOLDFAST_REDIS_PASSWORD_FILE"
	envSentinelPassword = "HOLDFAST_SENTINEL_PASSWORD"
	envCLIPassword      = "REDISCLI_AUTH"
)

const connectionHelp = `Where Redis is, is said by --redis or, without it, by REDIS_URL in the
environment; without that it is redis://localhost:6379. The forms:

  redis://[USER@]HOST[:PORT][/DB]
  rediss://…                                    with TLS
  unix://[USER@]/PATH/TO/SOCKET[?db=DB]
  redis-sentinel://[USER@]HOST:PORT,HOST:PORT/MASTER[?db=DB]
  redis-cluster://[USER@]HOST:PORT,HOST:PORT
  rediss-sentinel://…, rediss-cluster://…       with TLS

TLS trusts the system's certificates; SSL_CERT_FILE names others. What go-redis
reads from a URL's query, such as read_timeout=2s, can be given there too.

The password: never on the command line, where ps shows it to everybody. It is
taken from the first of these that is there:

  --password-file FILE, HOLDFAST_REDIS_PASSWORD_FILE   the first line of a file
  HOLDFAST_REDIS_PASSWORD, REDISCLI_AUTH               the environment
  REDIS_URL                                            redis://USER:PASSWORD@…

HOLDFAST_SENTINEL_PASSWORD is for the Sentinels, if they want one.`

func newConnectionTopic() *cobra.Command {
	return &cobra.Command{Use: "connection", Short: "How to say where Redis is, and its password", Long: connectionHelp}
}

// connection is where Redis is, as the flags say.
type connection struct {
	url          string
	passwordFile string
}

func (c *connection) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.url, "redis", "",
		"`URL` of Redis (default $REDIS_URL, or redis://localhost:6379): see \"holdfast help connection\"")
	cmd.Flags().StringVar(&c.passwordFile, "password-file", "",
		"`FILE` with Redis's password (default $HOLDFAST_REDIS_PASSWORD_FILE)")
	_ = cmd.MarkFlagFilename("password-file")
}

// target is a Redis deployment to connect to.
type target struct {
	addr      string // for messages: no password in it
	client    redis.UniversalClient
	sentinels *redis.FailoverOptions // if it is behind Sentinels
}

// open connects to Redis and sees that it answers.
func (c *connection) open(ctx context.Context) (*target, error) {
	t, err := c.prepare()
	if err != nil {
		return nil, err
	}
	if err := t.ping(ctx); err != nil {
		t.client.Close()
		return nil, err
	}
	return t, nil
}

// prepare is open without I/O.
func (c *connection) prepare() (*target, error) {
	source, raw := "--redis", c.url
	if raw == "" {
		source, raw = envURL, os.Getenv(envURL)
	}
	if raw == "" {
		source, raw = "the default", "redis://localhost:6379"
	}
	u, err := parseTarget(raw)
	if err != nil {
		return nil, usageError(fmt.Errorf("%s is not a Redis URL: %w", source, err))
	}
	if source == "--redis" && u.password != "" {
		return nil, usageError(fmt.Errorf("--redis holds a password, which ps shows to everybody: put it into %s, %s or a file", envPassword, envURL))
	}
	if password, err := c.password(); err != nil {
		return nil, err
	} else if password != "" {
		u.password = password
	}
	t, err := u.client(os.Getenv(envSentinelPassword))
	if err != nil {
		return nil, usageError(fmt.Errorf("%s is not a Redis URL: %w", source, err))
	}
	return t, nil
}

// password returns the one that is not part of a URL.
func (c *connection) password() (string, error) {
	file := c.passwordFile
	if file == "" {
		file = os.Getenv(envPasswordFile)
	}
	if file == "" {
		if password := os.Getenv(envPassword); password != "" {
			return password, nil
		}
		return os.Getenv(envCLIPassword), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usageError(fmt.Errorf("reading the password: %w", err))
	}
	password, _, _ := strings.Cut(string(text), "\n")
	if password = strings.TrimSuffix(password, "\r"); password == "" {
		return "", usageError(fmt.Errorf("reading the password: the first line of %s is empty", file))
	}
	return password, nil
}

// pingTimeout bounds the first look whether there is a Redis.
const pingTimeout = 5 * time.Second

// ping sees whether Redis answers, and says what to do if not.
func (t *target) ping(ctx context.Context) error {
	done := make(chan error, 1) // the client does not always heed its context
	go func() { done <- t.client.Ping(ctx).Err() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(pingTimeout):
		err = fmt.Errorf("none within %v", pingTimeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err == nil || redis.HasErrorPrefix(err, "NOPERM") { // which is an answer
		return nil
	}
	return t.unavailable(err)
}

// unavailable says in one line why there is no Redis to work with, and what to do.
func (t *target) unavailable(err error) error {
	says := message(err)
	switch {
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		says = fmt.Sprintf("Redis at %s refuses the password, or wants one (%s): see \"holdfast help connection\"", t.addr, says)
	case answered(err):
		says = fmt.Sprintf("Redis at %s refuses to serve (%s): \"holdfast check\" says more", t.addr, says)
	default:
		says = fmt.Sprintf("no answer from Redis at %s (%s): start it, or say where it is by --redis or %s", t.addr, says, envURL)
	}
	return &statusError{status: statusUnavailable, err: errors.New(says)}
}

// answered reports whether an error is Redis's own answer.
func answered(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// passing reports whether an error may go away by itself: the network's, and what a server
// says while it loads, fails over or is short of something.
func passing(err error) bool {
	if !answered(err) {
		return !errors.Is(err, redis.ErrClosed) && !errors.Is(err, holdfast.ErrInvalid) && !errors.Is(err, holdfast.ErrClosed)
	}
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "MISCONF", "NOREPLICAS"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}
