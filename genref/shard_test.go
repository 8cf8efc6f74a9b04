package genref

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"reflectionflow"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// entry is a file of a test archive.
type entry struct{ name, text string }

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: int64(len(e.text)), Mode: 0o444}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodedImage(t testing.TB) string {
	t.Helper()
	data, err := EncodeImage(image.NewRGBA(image.Rect(0, 0, 8, 8)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// whole returns the members of a valid sample, in the order of the authors' sets.
func whole(t testing.TB, key string) []entry {
	t.Helper()
	return []entry{
		{key + ".good_image.jpg", encodedImage(t)},
		{key + ".bad_image.jpg", encodedImage(t)},
		{key + ".reflection.txt", "Add a dog."},
		{key + ".prompt.txt", "a dog"},
		{key + ".subset.txt", "editing"},
	}
}

func readAll(data []byte) (all []Sample, err error) {
	for s, err := range ReadShard(bytes.NewReader(data), "genref_7.tar") {
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func TestReadShardFollowsWebDataset(t *testing.T) {
	entries := slices.Concat(
		[]entry{{"__meta__.json", "{}"}, {"README", "no dot"}},
		whole(t, "000/a"), []entry{{"000/a.score.json", "{"}}, whole(t, "b"),
	)
	all, err := readAll(pack(t, entries...))
	if err != nil || len(all) != 2 || all[0].Key != "000/a" || all[1].Key != "b" {
		t.Fatalf("%d samples, %v", len(all), err)
	}
	want := Triplet{Prompt: "a dog", Reflection: "Add a dog.", Subset: "editing"}
	got := all[1].Triplet
	if string(got.Flawed) != encodedImage(t) || string(got.Enhanced) != encodedImage(t) {
		t.Error("the images differ")
	}
	got.Flawed, got.Enhanced = nil, nil
	if got.Prompt != want.Prompt || got.Reflection != want.Reflection || got.Subset != want.Subset {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestReadShardRefusesInvalidSamples(t *testing.T) {
	change := func(i int, text string) []entry {
		e := whole(t, "b")
		e[i].text = text
		return e
	}
	for name, test := range map[string]struct {
		entries []entry
		says    string
	}{
		"a missing member":     {whole(t, "b")[:4], "subset.txt"},
		"a member twice":       {slices.Insert(whole(t, "b"), 1, whole(t, "b")[0]), "twice"},
		"members apart":        {slices.Concat(whole(t, "b")[:2], whole(t, "c"), whole(t, "b")[2:]), "has no"},
		"an unknown subset":    {change(4, "poetry"), "subset.txt"},
		"a newline":            {change(4, "rule\n"), "newline"},
		"no image":             {change(0, "GIF"), "good_image.jpg"},
		"an empty image":       {change(1, ""), "bad_image.jpg"},
		"a long text":          {change(2, strings.Repeat("long ", maxTextBytes)), "at most"},
		"text that is no text": {change(3, "\xff\xfe"), "UTF-8"},
		"a bad provenance":     {append(whole(t, "b"), entry{"b.provenance.json", "{"}), "provenance"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := readAll(pack(t, slices.Concat(whole(t, "a"), test.entries)...))
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "genref_7.tar") {
				t.Errorf("error %v, want one about %q in genref_7.tar", err, test.says)
			}
			if len(all) != 1 || all[0].Key != "a" {
				t.Errorf("%d samples before the damage, want 1", len(all))
			}
		})
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	data := pack(t, slices.Concat(whole(t, "a"), whole(t, "b"))...)
	end := len(data) - 1024
	for cut := 0; cut <= end; cut += 256 {
		if _, err := readAll(data[:cut]); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("cut to %d of %d bytes: error %v", cut, len(data), err)
		}
	}
}

func TestShardReadsBackAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tar")
	w, err := createShard(path, newChunks())
	if err != nil {
		t.Fatal(err)
	}
	s := Sample{
		Key: "k", Triplet: Triplet{Prompt: "ein Hund äöü", Flawed: []byte(encodedImage(t)), Enhanced: []byte(encodedImage(t)), Reflection: "", Subset: "length"},
		Provenance: &Provenance{Source: "rule", Enhanced: ImageRecord{Seed: reflectionflow.MaxSeed, Score: -0.25}},
	}
	if err := w.add(s); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]func(*Sample){
		"a key with a dot": func(s *Sample) { s.Key = "a.b" },
		"a key not ASCII":  func(s *Sample) { s.Key = "ä" },
		"a long key":       func(s *Sample) { s.Key = strings.Repeat("k", maxKey+1) },
		"the same key":     func(*Sample) {},
		"no subset":        func(s *Sample) { s.Key, s.Subset = "l", "" },
		"a large seed": func(s *Sample) {
			s.Key, s.Provenance = "l", &Provenance{Flawed: ImageRecord{Seed: reflectionflow.MaxSeed + 1}}
		},
		"no image": func(s *Sample) { s.Key, s.Flawed = "l", nil },
	} {
		b := s
		bad(&b)
		if err := w.add(b); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(data)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d samples, %v", len(all), err)
	}
	got := all[0]
	if got.Key != s.Key || got.Prompt != s.Prompt || got.Subset != s.Subset || got.Reflection != "" || !reflect.DeepEqual(got.Provenance, s.Provenance) || !bytes.Equal(got.Flawed, s.Flawed) {
		t.Errorf("read %+v", got)
	}
}

// A shard is byte-identical to the output of archive/tar.
func TestShardEqualsArchiveTar(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tar")
	w, err := createShard(path, newChunks())
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	archive := tar.NewWriter(&want)
	long := encodedImage(t) + strings.Repeat("x", 2*chunkSize) // longer than a chunk
	for i, key := range []string{strings.Repeat("k", maxKey), "b", "a_long_one"} {
		s := Sample{
			Key: key, Triplet: Triplet{Prompt: strings.Repeat("p", 512*i), Flawed: []byte(encodedImage(t)), Enhanced: []byte(long[:len(long)-i]), Subset: "rule"},
			Provenance: &Provenance{Source: "rule"},
		}
		if err := w.add(s); err != nil {
			t.Fatal(err)
		}
		list, err := s.members()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			header := &tar.Header{Typeflag: tar.TypeReg, Format: tar.FormatUSTAR, Name: key + "." + m.name, Mode: 0o444, Size: int64(len(m.data)), ModTime: time.Unix(0, 0)}
			if err := archive.WriteHeader(header); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write(m.data); err != nil {
				t.Fatal(err)
			}
		}
	}
	done, err := w.finish()
	if err = errors.Join(err, archive.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("the shard differs from what archive/tar writes: %d bytes, want %d", len(got), want.Len())
	}
	if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != done.SHA256 || done.Bytes != int64(len(got)) || done.Triplets != 3 {
		t.Errorf("the manifest would say %+v", done)
	}
}

// A failure of the disk is reported by a later call or at the end.
func TestFailingDiskIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tar")
	w, err := createShard(path, newChunks())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.file.file.Close(); err != nil {
		t.Fatal(err)
	}
	s := Sample{Triplet: Triplet{Flawed: []byte(encodedImage(t)), Enhanced: []byte(encodedImage(t) + strings.Repeat("x", chunkSize)), Subset: "rule"}}
	for i := 0; err == nil && i < 10*chunkCount; i++ {
		s.Key = fmt.Sprint(i)
		err = w.add(s)
	}
	if _, failed := w.finish(); failed == nil || err == nil {
		t.Errorf("add: %v, finish: %v", err, failed)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestOpenOrdersByNumber(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"10", "9", "0"} {
		if err := os.WriteFile(filepath.Join(dir, "genref_"+n+".tar"), pack(t, whole(t, "k"+n)...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	for _, s := range samples(t, dir) {
		keys = append(keys, s.Key)
	}
	if !slices.Equal(keys, []string{"k0", "k9", "k10"}) {
		t.Errorf("order %v", keys)
	}
	for _, bad := range []string{t.TempDir(), filepath.Join(dir, "nowhere")} {
		if _, err := Open(bad); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("open %s: %v", filepath.Base(bad), err)
		}
	}
}

func TestCheckFindsDamage(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(dir string) error
		says   string
	}{
		"a flipped byte": {func(dir string) error {
			path := filepath.Join(dir, "genref_1.tar")
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[2000] ^= 1
			return os.WriteFile(path, data, 0o600)
		}, "checksum"},
		"a shard gone":     {func(dir string) error { return os.Remove(filepath.Join(dir, "genref_0.tar")) }, "missing"},
		"a shard cut":      {func(dir string) error { return os.Truncate(filepath.Join(dir, "genref_1.tar"), 2048) }, "bytes"},
		"a shard too many": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "genref_9.tar"), nil, 0o600) }, "manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			build(t, dir, 12)
			if err := test.damage(dir); err != nil {
				t.Fatal(err)
			}
			report, err := Check(context.Background(), dir, nil)
			if err != nil || report.Problems.Total() == 0 || !strings.Contains(report.Problems.Listed[0], test.says) {
				t.Errorf("%q, %v: want %q", report.Problems.Listed, err, test.says)
			}
		})
	}
}

func FuzzReadShard(f *testing.F) {
	good := pack(f, whole(f, "a")...)
	f.Add(good)
	f.Add(good[:len(good)-1024])
	f.Add(pack(f, slices.Concat(whole(f, "000/a")[:3], whole(f, "b"))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := readAll(data)
		if err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Fatalf("error %v does not wrap ErrInvalid", err)
		}
		for _, s := range all {
			s.Key, s.Provenance = "k", nil // foreign keys may have folders, older sets larger seeds
			if _, err := s.valid(); err != nil {
				t.Fatalf("a sample that was read cannot be written: %v", err)
			}
		}
	})
}

// A hole takes no space in an archive, but reading it would take forever.
func TestHolesAreSkipped(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "holes.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := readAll(append(slices.Clip(data), pack(t, whole(t, "b")...)...)); err != nil || len(all) != 1 {
		t.Errorf("%d samples, %v", len(all), err)
	}
}

// Invalid samples are counted and listed, and those around them are read.
func TestCheckContinuesAfterAFault(t *testing.T) {
	dir := t.TempDir()
	change := func(key string, member int, text string) []entry {
		e := whole(t, key)
		for _, i := range []int{0, 1} { // every pair is different
			e[i].text = encodedImage(t) + key
		}
		e[member].text = text
		return e
	}
	good := encodedImage(t)
	entries := slices.Concat(
		change("a", 3, "a dog"), change("b", 4, "poetry"), change("c", 0, good[:len(good)-3]), change("d", 0, "no image"),
		change("e", 3, "a dog")[:4], change("f", 3, " "), change("a", 3, "a dog"), change("g", 3, "a dog"),
	)
	if err := os.WriteFile(filepath.Join(dir, "genref_0.tar"), pack(t, entries...), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Check(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{ProblemSample: 4, ProblemImage: 1, ProblemDuplicate: 2}
	if report.Triplets != 2 || !maps.Equal(report.Problems.Counts, want) {
		t.Errorf("%d whole, problems %v (%q)", report.Triplets, report.Problems.Counts, report.Problems.Listed)
	}
	if len(report.Problems.Listed) != 7 || !strings.Contains(report.Problems.Listed[0], "genref_0.tar: b.subset.txt: the subset is") {
		t.Errorf("problems %q", report.Problems.Listed)
	}
}

func TestCheckFindsLeaks(t *testing.T) {
	dir := t.TempDir()
	plan := testPlan(t, 5)
	plan.Split = "test"
	if _, err := Build(context.Background(), dir, plan, testRule(&fakeGenerator{}), nil); err != nil {
		t.Fatal(err)
	}
	report, err := Check(context.Background(), dir, nil)
	if err != nil || report.Problems.Counts[ProblemSplit] != 5 { // "two dogs" is not in the split
		t.Errorf("%+v, %v", report, err)
	}
}

// The size in a common JPEG header is the size that the decoder finds.
func FuzzImageHeader(f *testing.F) {
	gray, colored := image.NewGray(image.Rect(0, 0, 5, 9)), image.NewRGBA(image.Rect(0, 0, 300, 2))
	for _, m := range []image.Image{gray, colored} {
		data, err := EncodeImage(m)
		if err != nil {
			f.Fatal(err)
		}
		if width, height := jpegSize(data); width != m.Bounds().Dx() || height != m.Bounds().Dy() {
			f.Errorf("%d×%d pixels, want %v", width, height, m.Bounds())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		width, height := jpegSize(data)
		if width == 0 {
			return
		}
		if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && (c.Width != width || c.Height != height) {
			t.Errorf("%d×%d pixels, the decoder finds %d×%d", width, height, c.Width, c.Height)
		}
	})
}
