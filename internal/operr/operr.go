// Package operr makes errors that say what was attempted and on which lock.
package operr

import (
	"errors"
	"fmt"
)

// opError is an error with the outermost operation that met it.
type opError struct {
	op, name string
	err      error
}

func (e *opError) Error() string {
	return fmt.Sprintf("holdfast: %s %s: %v", e.op, Quote(e.name), e.err)
}

func (e *opError) Unwrap() error { return e.err }

// Wrap says in err, unless that is nil, which operation has failed on the lock of that name. If err
// names an operation on that lock already (why a lock that could not be extended was lost, say), it
// names the outer one instead.
func Wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := err.(*opError); ok && inner.name == name {
		if inner.op == op {
			return err
		}
		err = inner.err
	}
	return &opError{op, name, err}
}

// Quote shows a name of any bytes and length in an error.
func Quote(name string) string {
	const most = 120
	if len(name) > most {
		return fmt.Sprintf("%q… (%d bytes)", name[:most], len(name))
	}
	return fmt.Sprintf("%q", name)
}

// Join is errors.Join without repeating what err already says.
func Join(err, more error) error {
	said := more
	if op, ok := more.(*opError); ok {
		said = op.err
	}
	switch {
	case err == nil:
		return more
	case more == nil || errors.Is(err, said):
		return err
	}
	return errors.Join(err, more)
}
