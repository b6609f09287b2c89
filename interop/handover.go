package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast"
)

func tokenTo(ctx context.Context, b *beside) (string, error) {
	s, err := b.mutex().TryAcquire(ctx, holdfast.WithTTL(long))
	if err != nil {
		return "", err
	}
	token, err := s.Detach(ctx)
	if err != nil {
		return "", err
	}
	a, err := b.w().do(order{Op: "adopt", Key: name, TTL: ms(long), Token: []byte(token)})
	if err != nil || !a.OK {
		return a.outcome(), errors.Join(err, b.mutex().ForceRelease(ctx))
	}
	if a, err = b.w().do(order{Op: "extend", TTL: ms(2 * long)}); err != nil || !a.OK && a.Error != unsupported {
		return "extend: " + a.outcome(), errors.Join(err, b.mutex().ForceRelease(ctx))
	}
	if _, err := b.mutex().TryAcquire(ctx); !errors.Is(err, holdfast.ErrHeld) {
		return "", fmt.Errorf("a try of Holdfast, which handed the token over: %w, not ErrHeld", err)
	}
	if a, err = b.w().do(order{Op: "release"}); err != nil || !a.OK {
		return "release: " + a.outcome(), errors.Join(err, b.mutex().ForceRelease(ctx))
	}
	return "yes", b.gone(ctx)
}

func tokenFrom(ctx context.Context, b *beside) (string, error) {
	if err := b.w().must(acquire(long, 0)); err != nil {
		return "", err
	}
	a, err := b.w().do(order{Op: "token"})
	if err != nil {
		return "", err
	}
	if a.Error != "" {
		return a.Error, b.w().must(order{Op: "release"})
	}
	s, err := b.mutex().Resume(ctx, string(a.Token), holdfast.WithTTL(long))
	for text, known := range map[string]error{"ErrTaken": holdfast.ErrTaken, "ErrGone": holdfast.ErrGone} {
		if errors.Is(err, known) {
			return text, b.w().must(order{Op: "release"})
		}
	}
	if err != nil {
		return "", err
	}
	if err := errors.Join(b.intact(ctx, s), s.Release(ctx)); err != nil {
		return "", err
	}
	a, err = b.w().do(order{Op: "release"})
	return "yes; then its release: " + a.outcome(), errors.Join(err, b.gone(ctx))
}
