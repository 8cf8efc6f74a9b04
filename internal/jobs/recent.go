package jobs

import "sync"

// recentBytes bounds the image files that a queue holds in memory.
const recentBytes = 32 << 20

// recent holds the image files that were stored last: who has waited for one asks for it
// next. An image changes only while it belongs to no recorded candidate.
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
	old, known := r.files[name]
	if len(file) > recentBytes/4 {
		if !known {
			return
		}
		file = nil // what it replaces is old
	}
	if !known {
		r.order = append(r.order, name)
	}
	r.files[name] = file
	for r.bytes += len(file) - len(old); r.bytes > recentBytes; r.order = r.order[1:] {
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
