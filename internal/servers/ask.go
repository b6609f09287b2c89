package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// question is something in which servers differ.
type question struct {
	what string
	ask  func(ctx context.Context, c *redis.Client) string
}

// migrateSlots is the question whether there is atomic slot migration.
const migrateSlots = "`CLUSTER MIGRATESLOTS` (atomic slot migration)"

// questions are those that matter to a lock.
var questions = []question{
	{migrateSlots, has("cluster|migrateslots")},
	{"`FAILOVER TO`", has("failover")},
	{"`CLUSTER ADDSLOTSRANGE`", has("cluster|addslotsrange")},
	{"`DELIFEQ`", has("delifeq")},
	{"rights to channels", func(ctx context.Context, c *redis.Client) string {
		return yes(c.Do(ctx, "acl", "setuser", "asker", "on", "resetchannels").Err() == nil)
	}},
	{"rights to databases", func(ctx context.Context, c *redis.Client) string {
		return yes(c.Do(ctx, "acl", "setuser", "asker", "on", "resetdbs").Err() == nil)
	}},
	{"a busy server says so after", func(ctx context.Context, c *redis.Client) string {
		return firstOf(c.ConfigGet(ctx, "busy-reply-threshold"), c.ConfigGet(ctx, "lua-time-limit")) + " ms"
	}},
	{"`TIME` moves while a script runs", func(ctx context.Context, c *redis.Client) string {
		moved, err := c.Eval(ctx, `local a = redis.call('TIME'); for i = 1, 3e6 do local x = i end; local b = redis.call('TIME')
			return a[1] ~= b[1] or a[2] ~= b[2]`, nil).Bool()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err.Error()
		}
		return yes(moved)
	}},
	{"a script that came by `EVAL` is forgotten after 600 others", forgets},
	{"error of a denied `PUBLISH` within a script", denied},
	{"error of a write within a script on a replica", func(ctx context.Context, c *redis.Client) string {
		defer c.ReplicaOf(ctx, "no", "one")
		if err := c.ReplicaOf(ctx, "127.0.0.1", "1").Err(); err != nil {
			return err.Error()
		}
		return code(c.Eval(ctx, "return redis.call('SET', KEYS[1], '1')", []string{"k"}).Err())
	}},
}

func has(command string) func(context.Context, *redis.Client) string {
	return func(ctx context.Context, c *redis.Client) string {
		list, err := c.Do(ctx, "command", "info", command).Slice()
		if err != nil {
			return err.Error()
		}
		return yes(len(list) == 1 && list[0] != nil)
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// firstOf returns the first value that a server has.
func firstOf(answers ...*redis.MapStringStringCmd) string {
	for _, a := range answers {
		for _, value := range a.Val() {
			return value
		}
	}
	return "?"
}

func forgets(ctx context.Context, c *redis.Client) string {
	sum, err := c.Eval(ctx, "return redis.sha1hex('return 0')", nil).Text()
	for i := 0; i <= 600 && err == nil; i++ {
		err = c.Eval(ctx, fmt.Sprint("return ", i), nil).Err()
	}
	if err != nil {
		return err.Error()
	}
	return yes(redis.HasErrorPrefix(c.EvalSha(ctx, sum, nil).Err(), "NOSCRIPT"))
}

func denied(ctx context.Context, c *redis.Client) string {
	if err := c.Do(ctx, "acl", "setuser", "asker", "reset", "on", ">secret", "+@all", "-publish", "~*").Err(); err != nil {
		return err.Error()
	}
	o := *c.Options()
	o.Username, o.Password, o.DisableIdentity = "asker", "secret", true
	asker := redis.NewClient(&o)
	defer asker.Close()
	return code(asker.Eval(ctx, "return redis.call('PUBLISH', 'c', 'm')", nil).Err())
}

// code is an error as it is without what names the script, and cut short.
func code(err error) string {
	if err == nil {
		return "none"
	}
	text, _, named := strings.Cut(err.Error(), " script: ")
	if named {
		text += " script"
	}
	if before, after, ok := strings.Cut(text, "(call to "); ok {
		_, after, _ = strings.Cut(after, "@user_script: 1: ")
		text = before + "…: " + after
	}
	if len(text) > 90 {
		text = text[:90] + "…"
	}
	return "`" + strings.TrimSpace(text) + "`"
}

// ask starts a server and asks it all questions.
func (res *result) ask(ctx context.Context) error {
	res.Answers = make(map[string]string)
	s, stop, err := redistest.StartShared()
	if err != nil {
		return err
	}
	defer stop()
	c := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer c.Close()
	if res.Version, err = redistest.Version(ctx, c); err != nil {
		return err
	}
	for _, q := range questions {
		res.Answers[q.what] = q.ask(ctx, c)
	}
	return nil
}
