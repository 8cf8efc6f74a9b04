package remote_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// newSession returns a generator that stores its images in the ledger of the run in a folder.
func newSession(t *testing.T, address, folder string, charged ...string) (reflectionflow.Generator, *endpoint.Ledger) {
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

// A server goes away between the images of a call: the call fails as a whole, and
// a later session asks only for what is missing, and knows the cost of the rest.
func TestGeneratedOncePerRun(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			folder := t.TempDir()
			g, _ := newSession(t, address, folder)
			list := requests()[:1]
			list = append(list, list[0])
			list[1].Seed++
			away := testserver.WithStatus(http.StatusServiceUnavailable, "away")
			double.Fail(c.generate, honest, away, away, away, away)
			_, err := g.Generate(t.Context(), list)
			wantKind(t, "the call", err, endpoint.Status)
			before := len(double.Generated())
			if before != 1 {
				t.Fatalf("%d images before the server went away", before)
			}

			g, ledger := newSession(t, address, folder)
			out, err := g.Generate(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(double.Generated()); n != 2 {
				t.Errorf("%d images, want 2", n)
			}
			for i, r := range list {
				wantImage(t, "image", out[i].Image, c.want(r))
				if cost := out[i].Cost; cost.USD != 2 || cost.Images != 1 || len(cost.Calls) != 1 || out[i].Unseeded != c.unseeded {
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

// A transient failure is tried again in the next session, at its own cost; a permanent one is
// recalled with its cost.
func TestFailuresInTheNextSitting(t *testing.T) {
	small := recode(t, func(img image.Image) image.Image { return img.(*image.RGBA).SubImage(image.Rect(0, 0, 32, 64)) },
		func(b *bytes.Buffer, img image.Image) error { return png.Encode(b, img) })
	for name, tt := range map[string]struct {
		damage    testserver.Damage
		permanent bool
	}{
		"damaged image": {testserver.Damage{Text: func(string) string { return "%%%" }}, false},
		"another size":  {testserver.Damage{Bytes: small}, true},
	} {
		t.Run(name, func(t *testing.T) {
			double := testserver.NewSDCPP(t)
			folder := t.TempDir()
			double.Damage(tt.damage)
			g, _ := newSession(t, "sdcpp+"+double.URL, folder)
			first := generateOne(t, g, requests()[0])
			wantKind(t, "the image", first.Err, endpoint.Malformed)
			if first.Cost.USD != 2 || len(first.Cost.Calls) != 1 {
				t.Errorf("it cost %+v, want 2", first.Cost)
			}
			g, ledger := newSession(t, "sdcpp+"+double.URL, folder) // the run was killed before the failure was recorded
			again := generateOne(t, g, requests()[0])
			if tt.permanent {
				if again.Err == nil || again.Err.Error() != first.Err.Error() || again.Cost.USD != 2 || len(double.Generated()) != 1 {
					t.Errorf("%d images: %+v", len(double.Generated()), again)
				}
				return
			}
			if again.Err != nil || again.Image == nil {
				t.Fatal(again.Err)
			}
			if n, cost := ledger.Unused(); again.Cost.USD != 2 || n != 1 || cost.USD != 2 {
				t.Errorf("it cost %+v; %d calls for %v are not charged", again.Cost, n, cost.USD)
			}
		})
	}
}

// A member of a pool finds what another generated, and a pool whose servers have all
// gone fails as a whole.
func TestPoolGeneratesOncePerRun(t *testing.T) {
	folder := t.TempDir()
	for i := range 2 {
		double := testserver.NewSDCPP(t)
		g, _ := newSession(t, "sdcpp+"+double.URL+"?concurrency=1", folder)
		pool, err := remote.NewPool([]reflectionflow.Generator{g})
		if err != nil {
			t.Fatal(err)
		}
		if out := generateOne(t, pool, seeds(1)[0]); out.Err != nil || out.Cost.USD != 2 || len(double.Generated()) != 1-i {
			t.Errorf("server %d: %+v after %d images", i, out, len(double.Generated()))
		}
		double.Fail("POST /sdcpp/v1/img_gen", append([]testserver.Fault{honest}, always(testserver.WithStatus(503, ""))...)...)
		_, err = pool.Generate(t.Context(), seeds(4)[1+2*i:2+2*i])
		if i == 1 {
			_, err = pool.Generate(t.Context(), seeds(6)[4:])
			wantKind(t, "the call", err, endpoint.Status)
		} else if err != nil {
			t.Error(err)
		}
	}
}

// A server that says which model it has must not change it, in one session or
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
			g, _ := newSession(t, address, folder)
			double.SetModel(tt.first)
			generateOne(t, g, list[0])
			double.SetModel(tt.later)
			generateOne(t, g, list[1])
			double.SetModel(tt.another)
			_, inMidRun := g.Generate(t.Context(), list[2:3])
			g, ledger := newSession(t, address, folder)
			_, later := g.Generate(t.Context(), list[3:4])
			for _, err := range []error{inMidRun, later} {
				wantKind(t, "the call", err, endpoint.Changed)
				for _, part := range []string{"endpoint painter", `"flux`, strings.NewReplacer("/", " [").Replace(tt.another), "bring back"} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("%v lacks %s", err, part)
					}
				}
			}
			double.SetModel(tt.later)
			if out := generateOne(t, g, list[3]); out.Err != nil {
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
