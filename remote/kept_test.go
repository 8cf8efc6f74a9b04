package remote_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/testserver"
	"reflectionflow/remote"
)

// sitting is a generator that keeps what is drawn in the run in a folder.
func sitting(t *testing.T, address, folder string, charged ...string) (reflectionflow.Generator, *endpoint.Ledger) {
	t.Helper()
	ledger := &endpoint.Ledger{}
	if err := ledger.Open(folder, charged); err != nil {
		t.Fatal(err)
	}
	return open(t, address, func(o *remote.Options) {
		o.Endpoint.Ledger, o.Endpoint.Prices = ledger, endpoint.PriceTable{"*": {PerImage: 2}}
		o.Part = "painter"
	}), ledger
}

// A server goes away between the drawings of a call: the call fails as a whole, and
// a later sitting asks only for what was not drawn, and knows what the rest has cost.
func TestDrawnOnce(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			folder := t.TempDir()
			g, _ := sitting(t, address, folder)
			list := requests()[:1]
			list = append(list, list[0])
			list[1].Seed++
			double.Fail(c.draw, honest, testserver.WithStatus(http.StatusServiceUnavailable, "away"))
			_, err := g.Generate(t.Context(), list)
			typed(t, "the call", err, endpoint.Status)
			before := len(double.Drawings())
			if before != 1 {
				t.Fatalf("%d drawings before the server went", before)
			}

			g, ledger := sitting(t, address, folder)
			out, err := g.Generate(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(double.Drawings()); n != 2 {
				t.Errorf("%d drawings, want 2", n)
			}
			for i, r := range list {
				same(t, "image", out[i].Image, c.want(r))
				if cost := out[i].Cost; cost.Money != 2 || cost.Images != 1 || len(cost.Calls) != 1 || out[i].Unseeded != c.unseeded {
					t.Errorf("image %d: %+v, unseeded %t", i, cost, out[i].Unseeded)
				}
			}
			// The record has the first.
			ledger.Forget(out[0].Cost.Calls)
			if kept, _ := filepath.Glob(filepath.Join(folder, "answers", "??", "*.json")); len(kept) != 2-1 {
				t.Errorf("%d images are kept", len(kept))
			}
		})
	}
}

func honest(w http.ResponseWriter, r *http.Request, server http.Handler) { server.ServeHTTP(w, r) }

// A drawing that came to nothing and was paid for is not begun again either.
func TestFailedOnce(t *testing.T) {
	double := testserver.NewSDCPP(t)
	folder := t.TempDir()
	double.Spoil(testserver.Spoil{Text: func(string) string { return "%%%" }})
	var said []string
	for range 2 {
		g, _ := sitting(t, "sdcpp+"+double.URL, folder)
		out := one(t, g, requests()[0])
		typed(t, "the image", out.Err, endpoint.Malformed)
		if out.Cost.Money != 2 {
			t.Errorf("it cost %v, want 2", out.Cost.Money)
		}
		said = append(said, out.Err.Error())
	}
	if said[0] != said[1] || len(double.Drawings()) != 1 {
		t.Errorf("%d drawings: %q", len(double.Drawings()), said)
	}
}

// A member of a pool finds what another has drawn, and a pool whose servers have all
// gone fails as a whole.
func TestPoolDrawsOnce(t *testing.T) {
	folder := t.TempDir()
	for i := range 2 {
		double := testserver.NewSDCPP(t)
		g, _ := sitting(t, "sdcpp+"+double.URL+"?concurrency=1", folder)
		pool, err := remote.NewPool([]reflectionflow.Generator{g})
		if err != nil {
			t.Fatal(err)
		}
		if out := one(t, pool, seeds(1)[0]); out.Err != nil || out.Cost.Money != 2 || len(double.Drawings()) != 1-i {
			t.Errorf("server %d: %+v after %d drawings", i, out, len(double.Drawings()))
		}
		double.Fail("POST /sdcpp/v1/img_gen", honest, testserver.WithStatus(503, ""), testserver.WithStatus(503, ""))
		_, err = pool.Generate(t.Context(), seeds(4)[1+2*i:2+2*i])
		if i == 1 {
			_, err = pool.Generate(t.Context(), seeds(6)[4:])
			typed(t, "the call", err, endpoint.Status)
		} else if err != nil {
			t.Error(err)
		}
	}
}

// A server that says which model it has must not change it, in one sitting or
// between two.
func TestServerChangesModel(t *testing.T) {
	for name, tt := range map[string]struct {
		start                 func() (string, *testserver.Images)
		first, later, another string
	}{
		"openai": {func() (string, *testserver.Images) {
			d := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "sglang"})
			return "openai+" + d.URL + "?dialect=sglang", d.Images
		}, "flux", "flux", "other"},
		"sdcpp": {func() (string, *testserver.Images) {
			d := testserver.NewSDCPP(t)
			return "sdcpp+" + d.URL, d.Images
		}, "flux", "flux", "other"},
		"a1111": {func() (string, *testserver.Images) {
			d := testserver.NewA1111(t, testserver.A1111Options{})
			return "a1111+" + d.URL, d.Images
		}, "flux", "flux/abc", "flux/def"}, // the checksum is not known at first
	} {
		t.Run(name, func(t *testing.T) {
			address, double := tt.start()
			folder, list := t.TempDir(), seeds(6)
			g, _ := sitting(t, address, folder)
			double.SetModel(tt.first)
			one(t, g, list[0])
			double.SetModel(tt.later)
			one(t, g, list[1])
			double.SetModel(tt.another)
			_, inMidRun := g.Generate(t.Context(), list[2:3])
			g, ledger := sitting(t, address, folder)
			_, later := g.Generate(t.Context(), list[3:4])
			for _, err := range []error{inMidRun, later} {
				typed(t, "the call", err, endpoint.Changed)
				for _, part := range []string{"endpoint painter", `"flux`, strings.NewReplacer("/", " [").Replace(tt.another), "bring back"} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("%v lacks %s", err, part)
					}
				}
			}
			double.SetModel(tt.later)
			if out := one(t, g, list[3]); out.Err != nil {
				t.Errorf("the old model is back: %v", out.Err)
			}
			if n, cost := ledger.Unused(); n < 2 || cost.Images != n {
				t.Errorf("%d images for %+v are not used", n, cost)
			}
			data, err := os.ReadFile(filepath.Join(folder, "calls.jsonl"))
			if err != nil || strings.Count(string(data), `"model":"flux`) < 3 {
				t.Errorf("the calls do not name the model: %s, %v", data, err)
			}
		})
	}
}
