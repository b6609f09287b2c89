//go:build !linux

package redistest

import (
	"errors"
	"syscall"
)

// Elsewhere a killed test leaves its servers behind, and they cannot be paused.
// That is enough to compile and to run the rest.

func dieWithParent() *syscall.SysProcAttr { return nil }

func (p *process) pause() error { return errors.ErrUnsupported }

func (p *process) resume() error { return errors.ErrUnsupported }
