package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ability is what some commands are needed for.
type ability struct {
	verdict rating // where it is missing
	lost    string // what that means
	tries   [][]any
}

// abilities are what the library can do with all rights. Each command holds keys of one kind
// only, so that a denial of a key says which.
func abilities(name, channel string, cluster bool) []ability {
	aux, queue := keysBeside(name)
	list := []ability{
		{bad, "Locks can't be taken or given back.", [][]any{
			// In an order that leaves no key without expiry, whichever of them are refused.
			{"persist", name}, {"set", name, "x", "px", 5000}, {"pexpire", name, 5000},
			{"get", name}, {"mget", name}, {"pttl", name}, {"del", name},
			{"hget", queue, "x"}, {"hdel", queue, "x"}, {"pexpire", queue, 5000}, {"del", queue},
			{"set", aux, "x", "px", 5000}, {"hset", aux, "x", "x"}, {"hdel", aux, "x"}, {"pexpire", aux, 5000}, {"del", aux},
			{"time"}, {"evalsha", strings.Repeat("0", 40), 1, name},
		}},
		{warn, "Waiters can't be notified, so they poll: a hand-over takes up to a second.", [][]any{
			{"publish", channel, "x"}, {"pubsub", "numsub", channel}, {"ping"}, {"subscribe", channel}, {"unsubscribe", channel},
		}},
		{warn, "A waiter may trust a grant from before a failover for too long.", [][]any{{"info", "replication"}}},
		{warn, scriptsByLoad, [][]any{{"eval", "return 1", 1, name}}},
		{warn, "From Redis 7.4 and Valkey 8 on, scripts are sent whole again and again beside an application that sends many of its own.",
			[][]any{{"script", "load", "return 1"}}},
		{warn, "ls and top can't list locks.", [][]any{{"scan", 0, "count", 1}}},
		{warn, "Semaphores and read-write locks do not work.", [][]any{{"hgetall", name}}},
		{warn, "WithReplicas does not work.", [][]any{{"wait", 0, 1}}},
	}
	if cluster {
		list = append(list,
			ability{warn, "The client asks COMMAND in vain three times for each script, so locks are taken several times slower.", [][]any{{"command"}}},
			ability{warn, "A lock is lost when its slot is moved to another node key by key.", [][]any{{"asking"}}})
	}
	return list
}

// scriptsByLoad is what a user without EVAL has: a script needs one way to the server.
const scriptsByLoad = "Scripts come to the server by SCRIPT LOAD alone."

// keysBeside are the other keys of a lock, as the library's manual has them.
func keysBeside(name string) (aux, queue string) {
	_, rest, _ := strings.Cut(name, "{")
	if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
		return "holdfast:2:t:" + name, "holdfast:2:u:" + name
	}
	return "holdfast:2:n:{" + name + "}", "holdfast:2:q:{" + name + "}"
}

// refused is an ability that is not whole.
type refused struct {
	ability
	why []refusal
}

// checkRights tries what the library does, on keys that only this call knows: on a Cluster on each
// master, since each has users of its own. To ask for the rights themselves would need a right
// that a worker seldom has.
func (t *target) checkRights(ctx context.Context, nodes []node, name string) []finding {
	cluster, sharded := t.client.(*redis.ClusterClient)
	tried := make(map[*redis.Client][]refused)
	users := make(map[*redis.Client]string)
	var masters []node
	for _, n := range nodes {
		at, channel, ok := name, "holdfast:2:w:"+rand.Text(), true
		if n.master && sharded {
			at, channel, ok = onNode(ctx, cluster, n.addr, at, channel)
		}
		if n.master && ok {
			masters = append(masters, n)
			tried[n.client] = try(ctx, n.client, n.client.Options().DB, abilities(at, channel, sharded))
			users[n.client] = user(ctx, n.client)
		}
	}
	if len(masters) == 0 { // the client can't say which there are
		gaps := try(ctx, t.client, 0, abilities(name, "holdfast:2:w:"+rand.Text(), sharded))
		return []finding{rightsOf(gaps, "")}
	}
	findings := perMaster(ctx, masters, func(_ context.Context, c *redis.Client) finding { return rightsOf(tried[c], users[c]) })
	commands := perMaster(ctx, masters, func(_ context.Context, c *redis.Client) finding { return commandsOf(tried[c]) })
	return append(findings, slices.DeleteFunc(commands, func(f finding) bool { return f.Verdict == good })...)
}

// onNode returns a name and a channel that begin like those given and belong to a node; false if
// there are none, as the name has a hash tag.
func onNode(ctx context.Context, cluster *redis.ClusterClient, addr, name, channel string) (string, string, bool) {
	find := func(prefix string) (string, bool) {
		for i := range 4096 {
			key := fmt.Sprintf("%s:%d", prefix, i)
			if master, err := cluster.MasterForKey(ctx, key); err == nil && master.Options().Addr == addr {
				return key, true
			}
		}
		return "", false
	}
	name, ok := find(name)
	channel, _ = find(channel)
	return name, channel, ok
}

// user names the user, as far as it may be known.
func user(ctx context.Context, c *redis.Client) string {
	if who, err := c.Do(ctx, "acl", "whoami").Text(); err == nil {
		return " as user " + who
	}
	return ""
}

// try runs the commands and returns what was refused. If a connection can't even be set up, only
// the reason for that.
func try(ctx context.Context, c redis.UniversalClient, db int, list []ability) (gaps []refused) {
	ping := []any{"ping"}
	if r := refusalOf(ping, db, c.Do(ctx, ping...).Err()); r != (refusal{}) && r.command != "ping" {
		return []refused{{ability{verdict: bad, lost: "Nothing works without that, so nothing else could be tried."}, []refusal{r}}}
	}
	for _, a := range list {
		gap := refused{ability: a}
		for _, command := range a.tries {
			if r := refusalOf(command, db, attempt(ctx, c, command)); r != (refusal{}) && !slices.Contains(gap.why, r) {
				gap.why = append(gap.why, r)
			}
		}
		if len(gap.why) == 0 {
			continue
		}
		if last := len(gaps) - 1; last >= 0 && gaps[last].lost == scriptsByLoad && a.tries[0][0] == "script" {
			gaps[last].verdict, gaps[last].lost = bad, "No script can be brought to the server."
		}
		gaps = append(gaps, gap)
	}
	return gaps
}

// attempt runs a command that check tries.
func attempt(ctx context.Context, c redis.UniversalClient, command []any) error {
	if verb := command[0]; verb != "subscribe" && verb != "unsubscribe" {
		return c.Do(ctx, command...).Err()
	}
	channel := fmt.Sprint(command[1])
	sub := c.Subscribe(ctx, channel)
	defer sub.Close()
	_, err := sub.ReceiveTimeout(ctx, pingTimeout)
	if command[0] == "subscribe" || err != nil {
		return err
	}
	if err := sub.Unsubscribe(ctx, channel); err != nil {
		return err
	}
	_, err = sub.ReceiveTimeout(ctx, pingTimeout)
	return err
}

// rightsOf says which rights are missing.
func rightsOf(gaps []refused, user string) finding {
	verdict, missing, lost := sum(gaps, func(r refusal) string {
		if r.other != "" {
			return fmt.Sprintf("(what allows %q)", r.other)
		}
		return r.right
	})
	if len(missing) == 0 {
		return finding{"rights", good, "all that are needed" + user, "Tried one by one, on keys of their own."}
	}
	return finding{"rights", verdict, "missing" + user + ": " + strings.Join(missing, " "), lost}
}

// commandsOf says which commands the server does not have.
func commandsOf(gaps []refused) finding {
	verdict, gone, lost := sum(gaps, func(r refusal) string {
		if r.gone {
			return capitals(r.command)
		}
		return ""
	})
	if len(gone) == 0 {
		return finding{"commands", good, "all that are needed", "This server has them."}
	}
	return finding{"commands", verdict, "not on this server: " + strings.Join(gone, ", "),
		"They are renamed, or left out. No right helps. " + lost}
}

// sum puts together what was refused for one kind of reason: the worst verdict, the reasons
// that kind names, sorted, and what all that means.
func sum(gaps []refused, kind func(refusal) string) (verdict rating, names []string, lost string) {
	all := true // reasons are of that kind
	for _, gap := range gaps {
		found := false
		for _, r := range gap.why {
			if name := kind(r); name != "" {
				found = true
				names = append(names, name)
			} else {
				all = false
			}
		}
		if found {
			lost += " " + gap.lost
			if verdict != bad {
				verdict = gap.verdict
			}
		}
	}
	if verdict == warn && all {
		lost += " All else works."
	}
	slices.Sort(names)
	return verdict, slices.Compact(names), strings.TrimSpace(lost)
}
