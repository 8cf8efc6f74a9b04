package clipart

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// genEvalClasses is GenEval's object_names.txt.
var genEvalClasses = strings.Split("person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"+
	"parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,"+
	"snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,"+
	"bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,"+
	"laptop,computer mouse,tv remote,computer keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,"+
	"teddy bear,hair drier,toothbrush", ",")

func TestClassesAreGenEvals(t *testing.T) {
	if got := Classes(); !slices.Equal(got, genEvalClasses) {
		t.Errorf("classes %v, want %v", got, genEvalClasses)
	}
	for _, class := range genEvalClasses {
		if n := Drawings(class); n < 2 {
			t.Errorf("%s has %d drawings, want 2 or more", class, n)
		}
	}
	if n := Drawings("unicorn"); n != 0 {
		t.Errorf("an unknown class has %d drawings", n)
	}
	Classes()[0], Colors()[0], Sources()[0].Class = "changed", "changed", "changed"
	if Classes()[0] != "person" || Colors()[0] != "red" || Sources()[0].Class != "person" {
		t.Error("changing a returned list changes the package's own")
	}
}

// TestSourcesAreLicensed checks that every drawing is under a licence without
// share-alike or attribution-in-use terms, and that NOTICE names its set.
func TestSourcesAreLicensed(t *testing.T) {
	notice, err := os.ReadFile(filepath.Join("..", "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]string{
		OwnSet: "Apache-2.0", "noto": "Apache-2.0", "noto-v1": "Apache-2.0", "mdi": "Apache-2.0",
		"material-symbols": "Apache-2.0", "fluent-emoji-flat": "MIT",
	}
	next := map[string]int{}
	for _, s := range Sources() {
		if want, ok := allowed[s.Set]; !ok || s.Licence != want {
			t.Errorf("%s %d: set %s under %q is not on the list of allowed licences", s.Class, s.Drawing, s.Set, s.Licence)
		}
		if s.Drawing != next[s.Class] {
			t.Errorf("%s: drawing %d is listed where %d is due", s.Class, s.Drawing, next[s.Class])
		}
		next[s.Class]++
		if s.Set == OwnSet {
			if _, err := os.Stat(filepath.Join("atlasgen", "drawings", s.Icon+".svg")); err != nil {
				t.Errorf("%s %d: %v", s.Class, s.Drawing, err)
			}
			continue
		}
		if !strings.Contains(string(notice), "@iconify-json/"+s.Set) {
			t.Errorf("NOTICE does not name set %s", s.Set)
		}
		if s.Version == "" {
			t.Errorf("%s %d: the version of set %s is missing", s.Class, s.Drawing, s.Set)
		}
	}
}

func TestAtlasMatchesTable(t *testing.T) {
	files, err := os.ReadDir("atlas")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	total := int64(0)
	for _, f := range files {
		got = append(got, f.Name())
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	for i, class := range Classes() {
		want = append(want, AtlasFile(class))
		if _, err := sprites(i); err != nil { // checks the size of the strip
			t.Error(err)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("atlas holds %v, want %v", got, want)
	}
	if total > 4<<20 {
		t.Errorf("the atlas has %d bytes, at most 4 MB are allowed", total)
	}
}

func TestParseSourcesRejectsMalformedTables(t *testing.T) {
	for name, table := range map[string]string{
		"header": "class\ticon\n",
		"fields": sourcesHeader + "\ncat\t0\tnoto\n",
		"number": sourcesHeader + "\ncat\tx\tnoto\tcat\t1\tMIT\t-\n",
	} {
		if _, err := parseSources(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
