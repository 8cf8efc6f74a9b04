//go:build slow

package service_test

const listeners = 1000 // how many watch one job
