#!/usr/bin/env bash
# One would expect: if one of a locker's three keys is lost, the locker sets it again, or tells the holder that
# its lock depends on fewer keys. What happens: no renewal sets the key again (the script waits for ten of
# them), and the holder's context stays live. If one more key is lost some time later, the lock is gone.
# rueidis and rueidislock v1.0.79, KeyMajority 2 (the default).
. "$(dirname "$0")/lib.sh"
begin "rueidislock neither restores nor reports a lost key"
go_program github.com/redis/rueidis@v1.0.79 github.com/redis/rueidis/rueidislock@v1.0.79 <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func main() {
	ctx := context.Background()
	option := rueidis.ClientOption{InitAddress: []string{os.Args[1]}}
	locks := must(rueidislock.NewLocker(rueidislock.LockerOption{ClientOption: option, KeyMajority: 2, KeyValidity: time.Second}))
	defer locks.Close()
	hold, cancel, err := locks.WithContext(ctx, "job")
	if err != nil {
		panic(err)
	}
	defer cancel()
	other := must(rueidis.NewClient(option))
	defer other.Close()
	must(other.Do(ctx, other.B().Del().Key("rueidislock:0:job").Build()).AsInt64())
	time.Sleep(5 * time.Second)
	for i := range 3 {
		key := fmt.Sprintf("rueidislock:%d:job", i)
		n := must(other.Do(ctx, other.B().Exists().Key(key).Build()).AsInt64())
		fmt.Printf("5s after the loss of rueidislock:0:job, %s exists: %d\n", key, n)
	}
	fmt.Println("the holder's context says:", hold.Err())
}
GO
"$dir/program" "$addr" | expect 'rueidislock:0:job exists: 0' 'rueidislock:1:job exists: 1' 'context says: <nil>'
