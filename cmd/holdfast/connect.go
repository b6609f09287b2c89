package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Where a password comes from, apart from REDIS_URL.
const (
	envURL              = "REDIS_URL"
	envPassword         = "HOLDFAST_REDIS_PASSWORD"
	envPasswordFile     = "HOLDFAST_REDIS_PASSWORD_FILE"
	envSentinelPassword = "HOLDFAST_SENTINEL_PASSWORD"
	envCLIPassword      = "REDISCLI_AUTH"
)

const connectionHelp = `The URL of Redis comes from --redis or, without it, from
REDIS_URL in the environment; without either it is redis://localhost:6379. The forms:

  redis://[USER@]HOST[:PORT][/DB]
  rediss://…                                    with TLS
  unix://[USER@]/PATH/TO/SOCKET[?db=DB]
  redis-sentinel://[USER@]HOST:PORT,HOST:PORT/MASTER[?db=DB]
  redis-cluster://[USER@]HOST:PORT,HOST:PORT
  rediss-sentinel://…, rediss-cluster://…       with TLS

What go-redis reads from a URL's query, such as read_timeout=2s, can be given there
too.

With TLS, Redis's certificate must be from an authority that the system trusts, or
from one in the file of --tls-ca. If Redis wants a certificate of its clients,
--tls-cert and --tls-key are the files of that and of its key; they are read for each
new connection. All are in PEM. Without the flags, HOLDFAST_TLS_CA, HOLDFAST_TLS_CERT
and HOLDFAST_TLS_KEY name the files.

Never give the password on the command line, where ps shows it to everybody. It is
taken from the first of these that is set:

  --password-file FILE, HOLDFAST_REDIS_PASSWORD_FILE   the first line of a file
  HOLDFAST_REDIS_PASSWORD, REDISCLI_AUTH               the environment
  REDIS_URL                                            redis://USER:PASSWORD@…

HOLDFAST_SENTINEL_PASSWORD is the Sentinels' password, if they want one.

In a user or password in a URL, each of / ? # @ : % must be percent-encoded: %2F %3F
%23 %40 %3A %25. A user in a URL needs a password; a user of whom Redis wants none
(nopass) takes any.

The program of run and lead gets none of these variables, because they tell how to log
in to Redis: not REDIS_URL, not REDISCLI_AUTH, and none that begins with
HOLDFAST_REDIS_PASSWORD, HOLDFAST_SENTINEL_PASSWORD or HOLDFAST_TLS. With --pass-redis
it gets them all: a program that calls holdfast itself needs them.`

// redisEnvironment is what the environment tells of how to log in to Redis. All of it goes
// together: a program that is told the password, and not where Redis is, would send it to
// localhost.
var redisEnvironment = []string{envURL, envPassword, envPasswordFile, envSentinelPassword, envCLIPassword, envTLSCert, envTLSKey, envTLSCA}

func newConnectionTopic() *cobra.Command {
	return &cobra.Command{Use: "connection", Short: "How to say where Redis is, and its password", Long: connectionHelp}
}

// connection is where Redis is, as the flags say.
type connection struct {
	url          string
	passwordFile string
	tls          tlsFiles
}

func (c *connection) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.url, "redis", "",
		"`URL` of Redis (default $REDIS_URL, or redis://localhost:6379): see \"holdfast help connection\"")
	cmd.Flags().StringVar(&c.passwordFile, "password-file", "",
		"`FILE` with Redis's password (default $HOLDFAST_REDIS_PASSWORD_FILE)")
	_ = cmd.MarkFlagFilename("password-file")
	c.tls.addFlags(cmd)
}

// target is a Redis deployment to connect to.
type target struct {
	addr      string // for messages: no password in it
	client    redis.UniversalClient
	sentinels *redis.FailoverOptions // if it is behind Sentinels
	tls       *tls.Config            // nil without TLS
	probe     string                 // the first address by TCP, empty if there is none
}

// open connects to Redis and sees that it answers: on a Cluster the master that has this lock, or
// any if there is no name.
func (c *connection) open(ctx context.Context, name string) (*target, error) {
	t, err := c.prepare()
	if err != nil {
		return nil, err
	}
	if err := t.ping(ctx, name); err != nil {
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
	if u.user != "" && u.user != "default" && u.password == "" {
		// The client would send neither, and be the user default.
		return nil, usageError(fmt.Errorf("%s names a user, but there is no password: put it into %s, %s or a file; "+
			"a user that needs none (nopass) takes any", source, envPassword, envURL))
	}
	u.tls = c.tls.orEnvironment()
	t, err := u.client(os.Getenv(envSentinelPassword))
	if errors.As(err, new(*statusError)) {
		return nil, err
	} else if err != nil {
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

// unavailable says in one line why there is no Redis to work with, and what to do.
func (t *target) unavailable(err error) error {
	says := message(err)
	switch {
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		says = fmt.Sprintf("Redis at %s refuses the password, or wants one (%s): see \"holdfast help connection\"", t.addr, says)
	case store.Answered(err):
		says = fmt.Sprintf("Redis at %s refuses to serve (%s): \"holdfast check\" says more", t.addr, says)
	case unreachable(err):
		says = t.noAnswer(says)
	default:
		if todo := t.handshake(err); todo != "" {
			says = fmt.Sprintf("no TLS connection to Redis at %s (%s): %s", t.addr, says, todo)
			break
		}
		says = t.noAnswer(says)
	}
	return &statusError{status: statusUnavailable, err: errors.New(says)}
}

func (t *target) noAnswer(says string) string {
	return fmt.Sprintf("no answer from Redis at %s (%s): start it, or say where it is by --redis or %s", t.addr, says, envURL)
}

// unreachable reports whether an error came before there was a connection to say anything on.
func unreachable(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" && !dial.Timeout()
}

// passing reports whether an error may go away by itself: the network's, and what a server
// says while it loads, fails over or is short of something.
func passing(err error) bool {
	return store.Transient(err) && !errors.Is(err, holdfast.ErrInvalid) && !errors.Is(err, holdfast.ErrClosed)
}
