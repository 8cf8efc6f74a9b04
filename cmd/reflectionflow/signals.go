package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onHangup calls do at SIGHUP until ctx ends, instead of stopping the program.
func onHangup(ctx context.Context, do func()) {
	hangups := make(chan os.Signal, 1)
	signal.Reset(syscall.SIGHUP)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				do()
			}
		}
	}()
}

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
