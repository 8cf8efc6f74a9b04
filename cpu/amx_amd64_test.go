package cpu

import (
	"errors"
	"testing"
)

// TestTryAMX checks that AMX is not used without permission, nor where a product is wrong.
func TestTryAMX(t *testing.T) {
	refused := errors.New("refused")
	var calls int
	plainly := func(change func(c *float32)) func(p *amxTiles, words, aTile, bTile, cTile int) {
		return func(p *amxTiles, words, aTile, bTile, cTile int) {
			calls++
			multiplyPlainly(p, words, aTile, bTile, cTile)
			change(p.c)
		}
	}
	if err := tryAMX(func() error { return refused }, plainly(func(*float32) {})); !errors.Is(err, refused) || calls != 0 {
		t.Errorf("without permission: %v, %d products", err, calls)
	}
	if err := tryAMX(func() error { return nil }, plainly(func(*float32) {})); err != nil || calls != 2 {
		t.Errorf("right: %v, %d products", err, calls)
	}
	if err := tryAMX(func() error { return nil }, plainly(func(c *float32) { *c++ })); !errors.Is(err, errAMXWrong) {
		t.Errorf("a wrong product: %v", err)
	}
}

// TestAskForTiles checks that asking does not fail by more than an error, whatever the machine.
func TestAskForTiles(t *testing.T) {
	if err := requestTiles(); err != nil {
		t.Log(err)
	} else if machine < amx {
		t.Log("permitted, but the processor does not say that it has AMX")
	}
}
