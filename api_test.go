package reflectionflow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
)

// Users outside of this module cannot name the types of internal packages, so that no
// exported signature of a public package may need one.
func TestExportedSignaturesHaveNoInternalTypes(t *testing.T) {
	packages, lookup := publicPackages(t)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", lookup)
	found := map[string]string{}
	for _, path := range packages {
		p, err := imports.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		w := signatures{found: found}
		for _, name := range p.Scope().Names() {
			if o := p.Scope().Lookup(name); o.Exported() {
				w.object(path+"."+name, o)
			}
		}
	}
	for name, internal := range found {
		t.Errorf("%s needs %s", name, internal)
	}
}

// publicPackages lists the packages that users import, and opens the export data of
// these and all that they import.
func publicPackages(t *testing.T) (paths []string, lookup func(path string) (io.ReadCloser, error)) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Name,Export,Standard", "./...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var p struct {
			ImportPath, Name, Export string
			Standard                 bool
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if !p.Standard && p.Name != "main" && isOurs(p.ImportPath) && !isInternal(p.ImportPath) {
			paths = append(paths, p.ImportPath)
		}
	}
	return paths, func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	}
}

// module is the path of this module, which `make module` may rename.
var module = reflect.TypeFor[reflectionflow.Prompt]().PkgPath()

func isOurs(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

func isInternal(path string) bool {
	return strings.Contains(path+"/", "/internal/") || strings.Contains(path, "/tools/")
}

// signatures walks the exported part of types.
type signatures struct {
	found map[string]string // internal types, by the exported name that needs them
}

func (w signatures) object(name string, o types.Object) {
	if _, isType := o.(*types.TypeName); !isType {
		w.signature(name, o.Type())
		return
	}
	if alias, ok := o.Type().(*types.Alias); ok {
		w.signature(name, alias.Rhs())
		return
	}
	named, ok := o.Type().(*types.Named)
	if !ok {
		return
	}
	w.signature(name, named.Underlying())
	for m := range named.Methods() {
		if m.Exported() {
			w.signature(name+"."+m.Name(), m.Type())
		}
	}
}

// signature looks for internal types in what a user must name: not in unexported
// fields, and not inside named types, which are looked at where they are declared.
func (w signatures) signature(name string, t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		w.named(name, t.Obj())
	case *types.Named:
		w.named(name, t.Obj())
		for arg := range t.TypeArgs().Types() {
			w.signature(name, arg)
		}
	case *types.Pointer:
		w.signature(name, t.Elem())
	case *types.Slice:
		w.signature(name, t.Elem())
	case *types.Array:
		w.signature(name, t.Elem())
	case *types.Chan:
		w.signature(name, t.Elem())
	case *types.Map:
		w.signature(name, t.Key())
		w.signature(name, t.Elem())
	case *types.Signature:
		for v := range t.Params().Variables() {
			w.signature(name, v.Type())
		}
		for v := range t.Results().Variables() {
			w.signature(name, v.Type())
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				w.signature(name+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for m := range t.ExplicitMethods() {
			w.signature(name+"."+m.Name(), m.Type())
		}
		for e := range t.EmbeddedTypes() {
			w.signature(name, e)
		}
	}
}

func (w signatures) named(name string, o *types.TypeName) {
	if o.Pkg() != nil && isOurs(o.Pkg().Path()) && isInternal(o.Pkg().Path()) {
		w.found[name] = o.Pkg().Path() + "." + o.Name()
	}
}
