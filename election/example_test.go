package election_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
)

// A health endpoint: 200 from the leader, 503 from the others, and who leads from all.
func Example() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		panic(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	locks := holdfast.New(client, holdfast.WithLabel("pod-1"))
	defer locks.Close()

	announced := make(chan struct{})
	elector := election.New(locks.Mutex("scheduler"), election.Config{
		OnNewLeader: func(l election.Leader) {
			fmt.Println("new leader:", l.Label, l.Self)
			close(announced)
		},
	})
	health := func(w http.ResponseWriter, r *http.Request) {
		if !elector.IsLeader() { // asks nobody
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		leader, err := elector.Leader(r.Context()) // asks Redis
		if err != nil {
			fmt.Fprint(w, err)
			return
		}
		fmt.Fprintf(w, "%s leads", leader.Label)
	}
	get := func() string {
		w := httptest.NewRecorder()
		health(w, httptest.NewRequest("GET", "/leader", strings.NewReader("")))
		return fmt.Sprint(w.Code, " ", w.Body)
	}

	fmt.Println(get())
	ctx, shutdown := context.WithCancel(context.Background())
	err := elector.Run(ctx, func(ctx context.Context) error {
		<-announced // so that the lines come in order
		fmt.Println(get())
		shutdown() // a signal, in a real program
		return nil
	})
	fmt.Println(err)
	fmt.Println(get())
	// Output:
	// 503 election: "scheduler": nobody leads
	// new leader: pod-1 true
	// 200 pod-1 leads
	// <nil>
	// 503 election: "scheduler": nobody leads
}
