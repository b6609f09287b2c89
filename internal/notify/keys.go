package notify

// connection is one connection of the subscription.
type connection struct {
	Connection

	// Under the Subscription's mu.
	told    map[string]bool // the keys' channels to which it listens, or will when they are written
	changed []string        // channels to be told, or not any more
	writing bool            // a goroutine writes changed
}

// watchedKey is a key that a stranger holds.
type watchedKey struct {
	name  string
	calls int // that wait for it
}

// connect connects and asks for our own channel, and then for those of the keys.
func (s *Subscription) connect() *connection {
	c := &connection{Connection: s.conf.Connect(s.ctx, s.own), told: make(map[string]bool)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = c
	for channel := range s.keys {
		s.change(channel)
	}
	return c
}

// Watch listens to what happens to a lock's key: a stranger tells nobody of its release, but a
// server that sends keyspace notifications does. It does not wait for the server.
func (s *Subscription) Watch(name string) {
	channel := s.conf.KeyChannel(name)
	if channel == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[channel]
	if k == nil {
		k = &watchedKey{name: name}
		s.keys[channel] = k
		s.change(channel)
	}
	k.calls++
}

// Unwatch ends a Watch.
func (s *Subscription) Unwatch(name string) {
	channel := s.conf.KeyChannel(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[channel]
	if k == nil {
		return
	}
	if k.calls--; k.calls == 0 {
		delete(s.keys, channel)
		s.change(channel)
	}
}

// watched returns the name of the key whose channel it is, empty if it is not watched.
func (s *Subscription) watched(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[channel]; k != nil {
		return k.name
	}
	return ""
}

// change sees to it that the server is told of a channel that has become a key's, or is none any
// more. Called with mu held.
func (s *Subscription) change(channel string) {
	c := s.conn
	if c == nil {
		return // the next connection is told of all
	}
	c.changed = append(c.changed, channel)
	if !c.writing {
		c.writing = true
		s.conf.Tasks.Go(func() { s.write(c) })
	}
}

// write tells a connection's server what has changed, until nothing has. A write may take as long as
// the client's time-out for it; nobody waits for it but Close. If it fails the reader finds out.
func (s *Subscription) write(c *connection) {
	for {
		channel, on, ok := s.nextChange(c)
		switch {
		case !ok:
			return
		case on:
			_ = c.Subscribe(noReconnect, channel)
		default:
			_ = c.Unsubscribe(noReconnect, channel)
		}
	}
}

// nextChange returns a channel of which the server is to be told, and whether it is watched; false
// if there is none.
func (s *Subscription) nextChange(c *connection) (channel string, on, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.conn == c && len(c.changed) > 0 {
		channel, c.changed = c.changed[0], c.changed[1:]
		if on = s.keys[channel] != nil; on != c.told[channel] { // else it has changed back meanwhile
			if c.told[channel] = on; !on {
				delete(c.told, channel)
			}
			return channel, on, true
		}
	}
	c.writing, c.changed = false, nil
	return "", false, false
}
