package cpu

import (
	"sync"
	"time"
)

// stepTimes adds up the time of steps by the name of their kernel.
type stepTimes struct {
	mu    sync.Mutex
	times map[string]time.Duration
}

func (s *stepTimes) add(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[name] += d
}

// TimeSteps calls body and returns the time that the steps of executions took meanwhile, by the name of their kernel: see
// [Backend.Steps]. Steps of entries that run side by side count in full. It is for one measurement at a time.
func (b *Backend) TimeSteps(body func() error) (map[string]time.Duration, error) {
	s := &stepTimes{times: map[string]time.Duration{}}
	b.timing.Store(s)
	defer b.timing.Store(nil)
	err := body()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times, err
}

// timed executes the step and adds its time, if somebody asked for it.
func (s *step) timed(x *execution, t *stepTimes) error {
	if t == nil {
		return s.execute(x)
	}
	begin := time.Now()
	err := s.execute(x)
	t.add(s.name, time.Since(begin))
	return err
}
