package bench

import (
	"context"
	"math"
	"slices"
	"time"
)

// Spread is a quantity measured in several rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spread(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// pace is the length of a measurement.
type pace struct {
	turn   time.Duration // time in which a contestant repeats its work in a round
	budget time.Duration // no round begins later ...
	least  int           // ... except for these
	most   int
}

// contestant is one execution of a timed workload.
type contestant func() error

// compete alternates between the contestants and returns the seconds of one execution by
// contestant and round. Each round begins with another contestant. A first
// execution of each is not counted: it compiles, allocates and fills caches.
func compete(ctx context.Context, p pace, contestants ...contestant) ([][]float64, error) {
	times := make([]int, len(contestants)) // executions per turn
	for i, run := range contestants {
		if err := run(); err != nil {
			return nil, err
		}
		begin := time.Now()
		if err := run(); err != nil {
			return nil, err
		}
		times[i] = min(1+int(p.turn/max(time.Since(begin), time.Microsecond)), 10000)
	}
	seconds := make([][]float64, len(contestants))
	begin := time.Now()
	for round := 0; round < p.most && (round < p.least || time.Since(begin) < p.budget); round++ {
		for turn := range contestants {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			i := (round + turn) % len(contestants)
			start := time.Now()
			for range times[i] {
				if err := contestants[i](); err != nil {
					return nil, err
				}
			}
			seconds[i] = append(seconds[i], time.Since(start).Seconds()/float64(times[i]))
		}
	}
	return seconds, nil
}

// quotients returns a/b by round.
func quotients(a, b []float64) []float64 {
	q := make([]float64, len(a))
	for i := range q {
		q[i] = a[i] / b[i]
	}
	return q
}

// scaled returns c·v.
func scaled(v []float64, c float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = c * v[i]
	}
	return out
}

// round rounds to four significant digits, more than a measurement has.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-3)
	return math.Round(v/unit) * unit
}

func (s Spread) rounded() Spread { return Spread{round(s.Median), round(s.Min), round(s.Max)} }
