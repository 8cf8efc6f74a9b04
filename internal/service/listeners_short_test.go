//go:build !slow

package service_test

const listeners = 100 // how many watch one job; the slow target has more
