package mapped

import (
	"slices"
	"sync"
	"unsafe"
)

// regions are the mappings of the process. Advice about other memory is ignored: what would release the pages of a
// mapped file would clear those of the heap.
var regions struct {
	sync.Mutex
	all [][]byte
}

func register(data []byte) {
	regions.Lock()
	defer regions.Unlock()
	regions.all = append(regions.all, data)
}

func forget(data []byte) {
	regions.Lock()
	defer regions.Unlock()
	regions.all = slices.DeleteFunc(regions.all, func(r []byte) bool { return unsafe.SliceData(r) == unsafe.SliceData(data) })
}

// Release gives the pages of mapped data back to the system: they take no memory of the process until they are read
// again, from the page cache or the disk. Other data is left alone.
func Release(data []byte) {
	if len(data) == 0 {
		return
	}
	regions.Lock()
	defer regions.Unlock() // a mapping must not end meanwhile
	for _, r := range regions.all {
		begin := int(uintptr(unsafe.Pointer(unsafe.SliceData(data)))) - int(uintptr(unsafe.Pointer(unsafe.SliceData(r))))
		if begin < 0 || begin+len(data) > len(r) {
			continue
		}
		release(r[begin/pageSize*pageSize : min((begin+len(data)+pageSize-1)/pageSize*pageSize, len(r))])
	}
}
