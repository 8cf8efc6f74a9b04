package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that is canceled by Ctrl-C, SIGTERM, or the end of the
// terminal session (SIGHUP; not under nohup, which ignores it). The command then cancels
// remote jobs, keeps its records and exits with code 130. A second signal ends the
// process at once.
func untilSignal(ctx context.Context) context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	context.AfterFunc(ctx, stop)
	return ctx
}
