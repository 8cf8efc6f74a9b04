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
