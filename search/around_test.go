package search_test

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"reflectionflow/search"
)

// TestAround: the hook is called around every call with its candidates, and changes nothing.
func TestAround(t *testing.T) {
	cfg := config(search.Reflection, 2, 6)
	want := mustRun(t, fakes(), cfg)
	var mutex sync.Mutex
	begun, ended := map[string]int{}, map[string]int{}
	s := fakes()
	s.Around = func(ctx context.Context, call string, candidates []int) (context.Context, func(error)) {
		mutex.Lock()
		defer mutex.Unlock()
		for _, id := range candidates {
			if id < 0 || id > 5 {
				t.Errorf("%s is called for candidate %d", call, id)
			}
			begun[call]++
		}
		return ctx, func(err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				t.Errorf("%s ends with %v", call, err)
			}
			ended[call] += len(candidates)
		}
	}
	if got := mustRun(t, s, cfg); !reflect.DeepEqual(got.Candidates, want.Candidates) {
		t.Errorf("got %+v, want %+v", got.Candidates, want.Candidates)
	}
	calls := map[string]int{"generate": 6, "verify": 6, "reflect": 4, "refine": 4}
	if !reflect.DeepEqual(begun, calls) || !reflect.DeepEqual(ended, calls) {
		t.Errorf("begun %v, ended %v, want %v", begun, ended, calls)
	}
}
