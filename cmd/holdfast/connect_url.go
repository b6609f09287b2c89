package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// targetURL is a URL that says where Redis is, in parts.
type targetURL struct {
	scheme         string // as go-redis has it: redis, rediss or unix
	kind           string // "", "sentinel" or "cluster"
	user, password string
	hosts          []string
	path           string // with its slash
	query          url.Values
}

// parseTarget takes a URL apart. It does so itself, since net/url refuses more than one
// host. No error shows any of the URL: it may hold a password.
func parseTarget(raw string) (*targetURL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errors.New("it has no scheme such as redis://")
	}
	u := &targetURL{}
	u.scheme, u.kind, _ = strings.Cut(scheme, "-")
	switch {
	case u.scheme != "redis" && u.scheme != "rediss" && scheme != "unix":
		return nil, errors.New("its scheme is none of redis, rediss, unix, redis-sentinel, redis-cluster")
	case u.kind != "" && u.kind != "sentinel" && u.kind != "cluster", strings.HasSuffix(scheme, "-"):
		return nil, errors.New("what follows the scheme's - is neither sentinel nor cluster")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, slash := strings.Cut(rest, "/")
	if slash {
		u.path = "/" + path
	}
	var err error
	if u.query, err = url.ParseQuery(query); err != nil {
		return nil, errors.New("its query can't be read")
	}
	hosts := authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		hosts = authority[at+1:]
		user, password, _ := strings.Cut(authority[:at], ":")
		if u.user, err = url.PathUnescape(user); err == nil {
			u.password, err = url.PathUnescape(password)
		}
		if err != nil {
			return nil, errors.New("its user or password has a % that is no escape")
		}
	}
	if password := u.query.Get("password"); password != "" {
		u.password = password
		u.query.Del("password")
	}
	u.hosts = strings.Split(hosts, ",")
	if len(u.hosts) > 1 && u.kind == "" {
		return nil, fmt.Errorf("it has several hosts: say %s-sentinel:// or %s-cluster://", u.scheme, u.scheme)
	}
	return u, nil
}

// plain is the URL of the first host in go-redis's form, without what is secret.
func (u *targetURL) plain(path string, query url.Values) string {
	return (&url.URL{Scheme: u.scheme, Host: u.hosts[0], Path: path, RawQuery: query.Encode()}).String()
}

const (
	dialTimeout = 3 * time.Second
	// readTimeout is short, for a renewal that gets no answer in this time won't get one.
	readTimeout = 3 * time.Second
)

// client makes a client for the target.
func (u *targetURL) client(sentinelPassword string) (*target, error) {
	switch u.kind {
	case "sentinel":
		return u.sentinelClient(sentinelPassword)
	case "cluster":
		return u.clusterClient()
	}
	o, err := redis.ParseURL(u.plain(u.path, u.query))
	if err != nil {
		return nil, withoutURL(err)
	}
	o.Username, o.Password = u.user, u.password
	o.DialTimeout, o.DialerRetries = dialTimeout, 1 // the library tries again, and knows for how long
	if u.query.Get("read_timeout") == "" {
		o.ReadTimeout = readTimeout
	}
	return &target{addr: o.Addr, client: redis.NewClient(o)}, nil
}

func (u *targetURL) clusterClient() (*target, error) {
	query := u.query
	for _, host := range u.hosts[1:] {
		query.Add("addr", host)
	}
	o, err := redis.ParseClusterURL(u.plain(u.path, query))
	if err != nil {
		return nil, withoutURL(err)
	}
	o.Username, o.Password = u.user, u.password
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	if u.query.Get("read_timeout") == "" {
		o.ReadTimeout = readTimeout
	}
	return &target{addr: strings.Join(u.hosts, ","), client: redis.NewClusterClient(o)}, nil
}

func (u *targetURL) sentinelClient(password string) (*target, error) {
	master := strings.Trim(u.path, "/")
	if master == "" || strings.Contains(master, "/") {
		return nil, errors.New("it must end in the name by which the Sentinels call the master: redis-sentinel://HOST:PORT/MASTER")
	}
	query := u.query
	query.Set("master_name", master)
	for _, host := range u.hosts[1:] {
		query.Add("addr", host)
	}
	o, err := redis.ParseFailoverURL(u.plain("", query))
	if err != nil {
		return nil, withoutURL(err)
	}
	o.Username, o.Password, o.SentinelPassword = u.user, u.password, password
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	if u.query.Get("read_timeout") == "" {
		o.ReadTimeout = readTimeout
	}
	return &target{
		addr:   fmt.Sprintf("%s (master %s)", strings.Join(u.hosts, ","), master),
		client: redis.NewFailoverClient(o), sentinels: o,
	}, nil
}

// withoutURL takes url.Error's copy of the URL out of an error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
