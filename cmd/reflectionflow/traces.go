package main

import (
	"context"
	"os"
	"time"

	"reflectionflow/internal/tracing"
)

// traces sends OpenTelemetry traces where the environment asks for them, until stop is called.
// Report receives what cannot be sent.
func (p *program) traces(ctx context.Context, report func(error)) (stop func(), err error) {
	wanted, err := tracing.Wanted(os.Getenv)
	if err != nil || !wanted {
		return func() {}, err
	}
	end, err := tracing.Start(ctx, programVersion(), report)
	if err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := end(ctx); err != nil {
			report(err)
		}
	}, nil
}
