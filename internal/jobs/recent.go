package jobs

import "sync"

// recentBytes bounds the image files that a queue holds in memory.
const recentBytes = 32 << 20

// recent holds the image files that were stored last: who has waited for one asks for it
// next. An image never changes.
type recent struct {
	mutex sync.Mutex
	files map[string][]byte
	order []string // the oldest first
	bytes int
}

func (r *recent) get(name string) []byte {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.files[name]
}

func (r *recent) put(name string, file []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.files == nil {
		r.files = map[string][]byte{}
	}
	if _, known := r.files[name]; known || len(file) > recentBytes/4 {
		return
	}
	r.files[name], r.order = file, append(r.order, name)
	for r.bytes += len(file); r.bytes > recentBytes; r.order = r.order[1:] {
		r.bytes -= len(r.files[r.order[0]])
		delete(r.files, r.order[0])
	}
}

// drop forgets a file that is deleted. Its place in the order stays until it is the oldest.
func (r *recent) drop(name string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if file, known := r.files[name]; known {
		r.bytes -= len(file)
		r.files[name] = nil
	}
}
