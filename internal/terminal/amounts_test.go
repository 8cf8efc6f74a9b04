package terminal

import (
	"testing"
	"time"
)

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 59940 * time.Millisecond: "59.9 s", 59960 * time.Millisecond: "1 min 0 s",
		3599900 * time.Millisecond: "1 h 0 min", 100 * time.Minute: "1 h 40 min",
		1500 * time.Millisecond: "1.5 s", 119_600 * time.Millisecond: "2 min 0 s", 3*time.Hour + 59*time.Minute: "3 h 59 min",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 kB", 1: "1 kB", 168_000_000: "168 MB", 7_751_105_712: "7.8 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
