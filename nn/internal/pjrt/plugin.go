//go:build xla

package pjrt

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "abi.h"
import "C"

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/go-xla/pjrt"

	"reflectionflow"
	"reflectionflow/internal/diskcache"
)

// Cache keeps compiled programs.
type Cache struct {
	Folder diskcache.Folder
	// Report is told what keeps the cache from being used. Programs are then compiled.
	Report func(problem error)
}

// plugin is a loaded plugin with its cache.
type plugin struct {
	api   *C.rf_api // the plugin's own table
	path  string
	key   string // what all its programs have in their keys, without the client's part
	cache Cache

	loaded, compiled atomic.Int64
	mute             atomic.Bool // the plugin cannot serialize
}

// opened is the plugin whose compile function is [rfCompile]: one in a process, since PJRT calls it without saying of
// which plugin.
var opened struct {
	sync.Mutex
	*plugin
}

// Open loads the plugin at an absolute path and registers it with go-xla, which finds it by that path. The first plugin
// of a process uses the cache. Later ones, and those that lack the functions, are left to go-xla.
func Open(path string, cache Cache) error {
	opened.Lock()
	defer opened.Unlock()
	if opened.plugin != nil {
		return nil
	}
	p := &plugin{path: path, cache: cache}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", reflectionflow.ErrInvalid, err)
	}
	machine, err := diskcache.Machine()
	if err != nil {
		cache.Report(fmt.Errorf("compiled programs are not kept: %w", err))
		return nil
	}
	name, problem := C.CString(path), (*C.char)(nil)
	defer C.free(unsafe.Pointer(name))
	if p.api = C.rf_open(name, &problem); p.api == nil {
		return fmt.Errorf("%w: load %s: %s", reflectionflow.ErrInvalid, path, C.GoString(problem))
	}
	v := p.api.version
	header := unsafe.Sizeof(*p.api)
	if v.major != 0 || uintptr(p.api.size) < header+C.RF_FUNCTIONS*unsafe.Sizeof(uintptr(0)) {
		cache.Report(fmt.Errorf("compiled programs are not kept: %s has PJRT %d.%d, which this program does not know", path, v.major, v.minor))
		return nil
	}
	// XLA reads its flags itself, and they change what it compiles.
	p.key = fmt.Sprintf("program of %s\nPJRT %d.%d\nplugin %d %d\nXLA_FLAGS %q\n", machine, v.major, v.minor, info.Size(), info.ModTime().UnixNano(), os.Getenv("XLA_FLAGS"))
	opened.plugin = p
	if err := pjrt.RegisterPreloadedPlugin(path, uintptr(unsafe.Pointer(C.rf_caching(p.api)))); err != nil {
		return fmt.Errorf("open XLA plugin %s: %w", path, err)
	}
	return nil
}

// Counts returns how many programs were taken from the cache and how many were compiled.
func Counts() (loaded, compiled int64) {
	opened.Lock()
	defer opened.Unlock()
	if opened.plugin == nil {
		return 0, 0
	}
	return opened.loaded.Load(), opened.compiled.Load()
}

// rfCompile is PJRT_Client_Compile of the plugin with its cache.
//
//export rfCompile
func rfCompile(untyped unsafe.Pointer) *C.rf_error {
	args, p := (*C.rf_compile)(untyped), opened.plugin // which does not change any more
	key, err := p.programKey(args)
	if err == nil && p.load(key, args) {
		p.loaded.Add(1)
		return nil
	}
	if failure := C.rf_call_compile(p.api, args); failure != nil {
		return failure
	}
	p.compiled.Add(1)
	if err == nil && !p.mute.Load() {
		err = p.keep(key, args.loaded)
	}
	if err != nil && p.mute.CompareAndSwap(false, true) {
		p.cache.Report(fmt.Errorf("compiled programs are not kept: %w", err))
	}
	return nil
}

// load sets the loaded executable from the cache.
func (p *plugin) load(key string, args *C.rf_compile) bool {
	data, err := p.cache.Folder.Get(key)
	if err == nil && len(data) > 0 {
		err = p.failure(C.rf_load(p.api, args.client, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), &args.loaded))
		if err == nil && args.loaded != nil {
			return true
		}
		err = errors.Join(err, p.cache.Folder.Remove(key))
	}
	if err != nil {
		p.cache.Report(fmt.Errorf("a compiled program is compiled again: %s", strings.Join(strings.Fields(err.Error()), " ")))
	}
	return false
}

// keep puts an executable into the cache.
func (p *plugin) keep(key string, executable unsafe.Pointer) error {
	var s C.rf_serialized
	if err := p.failure(C.rf_serialize(p.api, executable, &s)); err != nil {
		return err
	}
	defer C.rf_release(&s)
	return p.cache.Folder.Put(key, unsafe.Slice((*byte)(unsafe.Pointer(s.bytes)), int(s.size)))
}

// programKey is the key of a program: what the plugin, its devices and this program are, and the sums of the compile
// options and the program.
func (p *plugin) programKey(args *C.rf_compile) (string, error) {
	var key strings.Builder
	_, _ = key.WriteString(p.key) // cannot fail
	for _, function := range []C.int{C.RF_CLIENT_PLATFORM_NAME, C.RF_CLIENT_PLATFORM_VERSION} {
		var text C.rf_text
		if err := p.failure(C.rf_client_text(p.api, function, args.client, &text)); err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(&key, "%q\n", goText(text))
	}
	var devices *unsafe.Pointer
	var count C.size_t
	if err := p.failure(C.rf_devices(p.api, args.client, &devices, &count)); err != nil {
		return "", err
	}
	for _, device := range unsafe.Slice(devices, int(count)) {
		var kind C.rf_text
		if err := p.failure(C.rf_device_kind(p.api, device, &kind)); err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(&key, "device %q\n", goText(kind))
	}
	options := unsafe.Slice((*byte)(unsafe.Pointer(args.options)), int(args.options_size))
	code := unsafe.Slice((*byte)(unsafe.Pointer(args.program.code)), int(args.program.code_size))
	format := C.GoStringN(args.program.format, C.int(args.program.format_size))
	_, _ = fmt.Fprintf(&key, "options %x\n%q %x\n", sha256.Sum256(options), format, sha256.Sum256(code))
	return key.String(), nil
}

// goText returns a copy of a text of the plugin.
func goText(t C.rf_text) string { return C.GoStringN(t.bytes, C.int(t.size)) }

// failure returns an error of the plugin, and frees it.
func (p *plugin) failure(e *C.rf_error) error {
	if e == nil {
		return nil
	}
	err := errors.New(goText(C.rf_message(p.api, e)))
	C.rf_destroy_error(p.api, e)
	return err
}
