package holdfast_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// A database that refuses what a holder writes that has been replaced. The row and its column
// come first, once:
//
//	ALTER TABLE state ADD COLUMN fence BIGINT NOT NULL DEFAULT 0;
//	INSERT INTO state (id, value, fence) VALUES (1, '', 0) ON CONFLICT (id) DO NOTHING;
//
// An UPDATE that is refused is no error: it changes no row. The fence may be the row's own,
// since a holder may write more than once. On MySQL, which counts changed rows only, set
// clientFoundRows=true in the data source name.
func ExampleSession_Fence_sql() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client, holdfast.WithLogger(nil))
	defer locks.Close()
	db := sql.OpenDB(&oneRow{}) // stands for sql.Open("pgx", …)
	defer db.Close()

	save := func(ctx context.Context, sess *holdfast.Session, value string) error {
		result, err := db.ExecContext(ctx,
			`UPDATE state SET value = $1, fence = $2 WHERE id = 1 AND fence <= $2`, value, sess.Fence())
		if err != nil {
			return err
		}
		rows, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if rows == 0 {
			return errors.New("refused: a later holder of the lock has written, or the row is missing")
		}
		return nil
	}

	ctx, mu := context.Background(), locks.Mutex("state")
	old, _ := mu.Acquire(ctx)
	_ = mu.ForceRelease(ctx) // or: frozen, expired, failed over
	next, _ := mu.Acquire(ctx)
	fmt.Println(save(ctx, next, "new"))
	fmt.Println(save(ctx, old, "late"))
	_ = next.Release(ctx)
	// Output:
	// <nil>
	// refused: a later holder of the lock has written, or the row is missing
}

// The same with data in Redis: a script compares and writes in one step. A fence is below 2^53, so
// Lua's numbers are exact.
func ExampleSession_Fence_redis() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client, holdfast.WithLogger(nil))
	defer locks.Close()

	set := redis.NewScript(`
		if tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) > tonumber(ARGV[1]) then return 0 end
		redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'value', ARGV[2])
		return 1`)
	save := func(ctx context.Context, sess *holdfast.Session, value string) error {
		written, err := set.Run(ctx, client, []string{"data:state"}, sess.Fence(), value).Bool()
		if err == nil && !written {
			return errors.New("refused: a later holder of the lock has written")
		}
		return err
	}

	ctx, mu := context.Background(), locks.Mutex("state")
	old, _ := mu.Acquire(ctx)
	_ = mu.ForceRelease(ctx) // or: frozen, expired, failed over
	next, _ := mu.Acquire(ctx)
	fmt.Println(save(ctx, next, "new"))
	fmt.Println(save(ctx, old, "late"))
	_ = next.Release(ctx)
	// Output:
	// <nil>
	// refused: a later holder of the lock has written
}

// oneRow is a database with one row, which knows only the UPDATE of the example.
type oneRow struct{ fence int64 }

func (r *oneRow) Connect(context.Context) (driver.Conn, error) { return rowConn{r}, nil }
func (r *oneRow) Driver() driver.Driver                        { return nil }

type rowConn struct{ row *oneRow }

func (c rowConn) ExecContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	fence := args[1].Value.(int64)
	if c.row.fence > fence { // WHERE fence <= $2
		return driver.RowsAffected(0), nil
	}
	c.row.fence = fence
	return driver.RowsAffected(1), nil
}

func (rowConn) Prepare(string) (driver.Stmt, error) { return nil, io.EOF }
func (rowConn) Begin() (driver.Tx, error)           { return nil, io.EOF }
func (rowConn) Close() error                        { return nil }
