package gocronholdfast_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
	"github.com/holdfast-go/holdfast/gocronholdfast"
)

// Two machines have the same job, and one of them runs a tick.
func ExampleLocker() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()

	at := time.Now().Add(2 * time.Second) // both are ready by then
	over := make(chan bool)
	for range 2 { // a real machine has one of each
		locks := holdfast.New(client)
		defer locks.Close()
		locker, err := gocronholdfast.NewLocker(locks)
		if err != nil {
			log.Fatal(err)
		}
		s, err := gocron.NewScheduler(gocron.WithDistributedLocker(locker))
		if err != nil {
			log.Fatal(err)
		}
		defer s.Shutdown()
		_, err = s.NewJob(
			gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(at)), // or gocron.CronJob("*/5 * * * *", false)
			locker.Task(func(ctx context.Context) error {
				fmt.Println("this machine reports")
				over <- true
				return nil // and before that, if ctx is done
			}),
			gocron.WithName("report"),
			gocron.WithEventListeners(gocron.AfterLockError(func(_ uuid.UUID, job string, err error) {
				fmt.Println("the other skips:", errors.Is(err, holdfast.ErrHeld))
				over <- true
			})),
		)
		if err != nil {
			log.Fatal(err)
		}
		s.Start()
	}
	<-over
	<-over
	// Unordered output:
	// this machine reports
	// the other skips: true
}

// The machine that leads runs all jobs.
func ExampleElector() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	locks := holdfast.New(client)
	defer locks.Close()

	elector, err := gocronholdfast.StartElector(locks.Mutex("scheduler"), election.Config{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := gocron.NewScheduler(gocron.WithDistributedElector(elector))
	if err != nil {
		log.Fatal(err)
	}
	polled := make(chan bool, 1)
	_, err = s.NewJob(gocron.DurationJob(10*time.Millisecond), elector.Task(func(ctx context.Context) error {
		select {
		case polled <- elector.IsLeader(ctx) == nil:
		default:
		}
		return nil
	}), gocron.WithSingletonMode(gocron.LimitModeReschedule))
	if err != nil {
		log.Fatal(err)
	}
	s.Start()
	fmt.Println("the leader polls:", <-polled) // and until a signal comes, in a real program
	if err := errors.Join(s.Shutdown(), elector.Close()); err != nil {
		log.Fatal(err)
	}
	// Output: the leader polls: true
}
