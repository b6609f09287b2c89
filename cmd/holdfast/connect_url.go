package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
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
	tls            tlsFiles
}

// escapes is what to do about a URL that can't be read: often it holds a password as it is.
const escapes = "in a user or password, each of / ? # @ : % must be percent-encoded: %2F %3F %23 %40 %3A %25"

// unreadable is an error about one part of a URL. It names the part and shows none of it: what
// looks like a port, a host or a database may be a piece of a password.
func unreadable(what string) error { return fmt.Errorf("%s; %s", what, escapes) }

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
		return nil, errors.New("its scheme is none of redis, rediss, unix, redis-sentinel, rediss-sentinel, redis-cluster, rediss-cluster")
	case u.kind != "" && u.kind != "sentinel" && u.kind != "cluster", strings.HasSuffix(scheme, "-"):
		return nil, errors.New("what follows the scheme's - is neither sentinel nor cluster")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, slash := strings.Cut(rest, "/")
	if strings.Contains(path, "@") || strings.Contains(query, "@") {
		// Then a / or ? of a password has ended the part that it belongs to, and a piece of the
		// password would be taken for the host.
		return nil, unreadable("it has an @ after a / or a ?")
	}
	var err error
	if slash {
		path, err = url.PathUnescape(path)
		u.path = "/" + path
	}
	if err == nil {
		u.query, err = url.ParseQuery(query)
	}
	if err != nil {
		return nil, unreadable("what follows its host can't be read")
	}
	if err := u.parseAuthority(authority); err != nil {
		return nil, err
	}
	return u, nil
}

// parseAuthority reads the user, the password and the hosts.
func (u *targetURL) parseAuthority(authority string) (err error) {
	hosts := authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		hosts = authority[at+1:]
		user, password, _ := strings.Cut(authority[:at], ":")
		if u.user, err = url.PathUnescape(user); err == nil {
			u.password, err = url.PathUnescape(password)
		}
		if err != nil {
			return unreadable("its user or password has a % that is no escape")
		}
	}
	if password := u.query.Get("password"); password != "" {
		u.password = password
		u.query.Del("password")
	}
	u.hosts = strings.Split(hosts, ",")
	switch {
	case u.scheme == "unix" && hosts != "":
		return unreadable("it is unix://, and has a host before the path: unix:///PATH has none")
	case len(u.hosts) > 1 && u.kind == "":
		return fmt.Errorf("it has several hosts: say %s-sentinel:// or %s-cluster://", u.scheme, u.scheme)
	case len(u.hosts) > 1 && slices.Contains(u.hosts, ""):
		return unreadable("one of its hosts is empty")
	}
	return nil
}

// plain is the URL of the first host in go-redis's form, without what is secret.
func (u *targetURL) plain(path string, query url.Values) string {
	return (&url.URL{Scheme: u.scheme, Host: u.hosts[0], Path: path, RawQuery: query.Encode()}).String()
}

const (
	dialTimeout = 3 * time.Second
	// readTimeout is short: a renewal that has no answer by then will not get one.
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
	if _, err := redis.ParseURL(u.plain(u.path, nil)); err != nil {
		return nil, unreadable("its host, port or database can't be read")
	}
	o, err := redis.ParseURL(u.plain(u.path, u.query))
	if err != nil {
		return nil, badQuery()
	}
	if err := u.tls.apply(o.TLSConfig); err != nil {
		return nil, usageError(err) // which is not about the URL alone
	}
	o.Username, o.Password = u.user, u.password
	o.DialTimeout, o.DialerRetries = dialTimeout, 1 // the library tries again, and knows for how long
	if u.query.Get("read_timeout") == "" {
		o.ReadTimeout = readTimeout
	}
	t := &target{addr: o.Addr, client: redis.NewClient(o), tls: o.TLSConfig}
	if o.Network == "tcp" {
		t.probe = o.Addr
	}
	return t, nil
}

func (u *targetURL) clusterClient() (*target, error) {
	query := maps.Clone(u.query)
	for _, host := range u.hosts[1:] {
		query.Add("addr", host)
	}
	if path := strings.Trim(u.path, "/"); path != "" && path != "0" {
		return nil, unreadable("a Cluster has one database, and its URL no path")
	}
	o, err := redis.ParseClusterURL(u.plain("", query))
	if err != nil {
		return nil, u.unreadableHosts()
	}
	if err := u.tls.apply(o.TLSConfig); err != nil {
		return nil, usageError(err) // which is not about the URL alone
	}
	o.Username, o.Password = u.user, u.password
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	if u.query.Get("read_timeout") == "" {
		o.ReadTimeout = readTimeout
	}
	return &target{addr: strings.Join(u.hosts, ","), client: redis.NewClusterClient(o), tls: o.TLSConfig, probe: o.Addrs[0]}, nil
}

func (u *targetURL) sentinelClient(password string) (*target, error) {
	master := strings.Trim(u.path, "/")
	if master == "" || strings.Contains(master, "/") {
		return nil, unreadable("it must end in the name by which the Sentinels call the master: redis-sentinel://HOST:PORT/MASTER")
	}
	query := maps.Clone(u.query)
	query.Set("master_name", master)
	for _, host := range u.hosts[1:] {
		query.Add("addr", host)
	}
	o, err := redis.ParseFailoverURL(u.plain("", query))
	if err != nil {
		return nil, u.unreadableHosts()
	}
	if err := u.tls.apply(o.TLSConfig); err != nil {
		return nil, usageError(err) // which is not about the URL alone
	}
	o.Username, o.Password, o.SentinelPassword = u.user, u.password, password
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	if u.query.Get("read_timeout") == "" {
		o.ReadTimeout = readTimeout
	}
	return &target{
		addr:   fmt.Sprintf("%s (master %s)", strings.Join(u.hosts, ","), master),
		client: redis.NewFailoverClient(o), sentinels: o, tls: o.TLSConfig, probe: o.SentinelAddrs[0],
	}, nil
}

// unreadableHosts tells a fault of the hosts from one of the query. Both would be in one error
// of go-redis, which shows them.
func (u *targetURL) unreadableHosts() error {
	for _, host := range u.hosts {
		one := targetURL{scheme: u.scheme, hosts: []string{host}}
		if _, err := redis.ParseURL(one.plain("", nil)); err != nil {
			return unreadable("one of its hosts or ports can't be read")
		}
		if _, _, err := net.SplitHostPort(host); err != nil && len(u.hosts) > 1 {
			return unreadable("one of its hosts has no port: each needs one, HOST:PORT,HOST:PORT")
		}
	}
	return badQuery()
}

func badQuery() error {
	return unreadable("its query, which follows the ?, has a name that go-redis does not know, or a value that it can't read")
}

// shown is arguments as an error may show them: a URL that was given in the wrong place may hold
// a password.
func shown(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if strings.Contains(arg, "://") {
			args[i] = "a URL: it belongs to --redis"
		}
	}
	return args
}
