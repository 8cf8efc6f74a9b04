//go:build !slow

package main

import "time"

// faultTime is how long the fault test kills.
const faultTime = time.Minute
