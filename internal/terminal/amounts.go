package terminal

import (
	"fmt"
	"time"
)

// USD writes an amount of money. Prices in configurations are in US dollars.
func USD(amount float64) string {
	if amount > 0 && amount < 0.0001 {
		return fmt.Sprintf("%.2g USD", amount)
	}
	return fmt.Sprintf("%.4f USD", amount)
}

// Bytes writes an amount of memory for people: 168 MB, 7.8 GB.
func Bytes(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%d kB", (n+999)/1000)
	case n < 1e9:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Elapsed writes a duration for people: 2.4 s, 3 min 2 s, 1 h 20 min.
func Elapsed(d time.Duration) string {
	switch seconds := int(d.Round(time.Second).Seconds()); {
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case seconds < 3600:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	default:
		return fmt.Sprintf("%d h %d min", seconds/3600, seconds/60%60)
	}
}
