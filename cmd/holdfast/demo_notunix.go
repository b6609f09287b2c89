//go:build !unix

package main

import (
	"errors"
	"os"
)

// canFreeze is false where there is no SIGSTOP: the demo says so and ends.
const canFreeze = false

func freeze(*os.Process) error { return errors.ErrUnsupported }

func thaw(*os.Process) error { return errors.ErrUnsupported }
