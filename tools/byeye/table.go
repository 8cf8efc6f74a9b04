package main

import "context"

func table(context.Context, string, []string) error { return nil }
