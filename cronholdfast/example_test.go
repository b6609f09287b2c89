package cronholdfast_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/robfig/cron/v3"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cronholdfast"
)

// Two machines have the same job, and one of them runs a tick.
func Example() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	ctx, shutdown := context.WithCancel(context.Background()) // of signal.NotifyContext, in a real program
	defer shutdown()

	over := make(chan bool)
	time.Sleep(time.Until(time.Now().Truncate(2 * time.Second).Add(2100 * time.Millisecond))) // not at a tick: both start before the next
	for range 2 {                                                                             // a real machine has one of each
		locks := holdfast.New(client)
		defer locks.Close()
		jobs, err := cronholdfast.New(ctx, locks, cronholdfast.WithLogger(skips(over)))
		if err != nil {
			log.Fatal(err)
		}
		c := cron.New(cron.WithSeconds())
		_, err = c.AddJob("*/2 * * * * *", jobs.SkipFunc("report", func(ctx context.Context) error {
			fmt.Println("this machine reports")
			over <- true
			return nil // and before that, if ctx is done
		}))
		if err != nil {
			log.Fatal(err)
		}
		c.Start()
		defer func() {
			shutdown()
			<-c.Stop().Done()
		}()
	}
	<-over
	<-over
	// Unordered output:
	// this machine reports
	// the other skips
}

// skips is a logger; a real program has [cron.VerbosePrintfLogger], say.
type skips chan bool

func (s skips) Info(what string, _ ...any) {
	fmt.Println("the other", what+"s")
	s <- true
}

func (s skips) Error(err error, what string, _ ...any) { log.Print(what, err) }
