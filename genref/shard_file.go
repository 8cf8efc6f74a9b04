package genref

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	// chunkSize is the number of bytes per write.
	chunkSize = 1 << 20
	// chunkCount is the number of chunks that are filled, written and hashed concurrently.
	chunkCount = 8
	// blockSize is the alignment of offsets, lengths and addresses for direct writes.
	blockSize = 4096
)

// chunks is a pool of buffers for shard files.
type chunks chan []byte

// newChunks makes buffers whose addresses are multiples of blockSize.
func newChunks() chunks {
	free := make(chunks, chunkCount)
	for range chunkCount {
		memory := make([]byte, chunkSize+blockSize)
		skip := -int(uintptr(unsafe.Pointer(&memory[0]))) & (blockSize - 1)
		free <- memory[skip : skip : skip+chunkSize]
	}
	return free
}

// shardFile is the file of a shard. Its content is collected in chunks. One goroutine writes
// them to disk and another hashes them while the next are filled. Where the system supports
// it, writes bypass the page cache: copying into the cache would take longer than all other
// work, and would evict more useful files.
type shardFile struct {
	file    *os.File
	direct  bool
	sum     hash.Hash
	bytes   int64
	free    chunks
	chunk   []byte      // being filled
	full    chan []byte // to be written
	written chan []byte // to be hashed
	ended   sync.WaitGroup
	failed  atomic.Pointer[error] // first error of a write
}

var _ io.Writer = (*shardFile)(nil)

// createShardFile creates a file. The caller must call finish or abandon.
func createShardFile(path string, free chunks) (*shardFile, error) {
	file, direct, err := openDirect(path)
	if err != nil {
		return nil, err
	}
	f := &shardFile{
		file: file, direct: direct, sum: sha256.New(),
		free: free, full: make(chan []byte, chunkCount), written: make(chan []byte, chunkCount),
	}
	f.ended.Go(func() {
		for chunk := range f.full {
			f.put(chunk)
			f.written <- chunk
		}
		close(f.written)
	})
	f.ended.Go(func() {
		for chunk := range f.written {
			f.sum.Write(chunk) // never fails
			f.free <- chunk[:0]
		}
	})
	return f, nil
}

// Write implements [io.Writer]. It may return an error of an earlier call.
func (f *shardFile) Write(p []byte) (int, error) {
	f.bytes += int64(len(p))
	for rest := p; len(rest) > 0; {
		if f.chunk == nil {
			f.chunk = <-f.free
		}
		n := min(len(rest), cap(f.chunk)-len(f.chunk))
		f.chunk, rest = append(f.chunk, rest[:n]...), rest[n:]
		if len(f.chunk) == cap(f.chunk) {
			f.full <- f.chunk
			f.chunk = nil
		}
	}
	if err := f.failed.Load(); err != nil {
		return 0, *err
	}
	return len(p), nil
}

// put writes a chunk, padded to a whole block, and records an error. Only the last chunk is
// not a whole number of blocks.
func (f *shardFile) put(chunk []byte) {
	if f.failed.Load() != nil {
		return
	}
	block := chunk[:(len(chunk)+blockSize-1)/blockSize*blockSize]
	clear(block[len(chunk):])
	_, err := f.file.Write(block)
	if f.direct && errors.Is(err, syscall.EINVAL) { // the disk requires larger blocks
		if err = indirect(f.file); err == nil {
			f.direct = false
			_, err = f.file.Write(block)
		}
	}
	if err != nil {
		f.failed.Store(&err)
	}
}

// drain waits until everything is written and hashed.
func (f *shardFile) drain() error {
	if f.chunk != nil {
		f.full <- f.chunk
		f.chunk = nil
	}
	close(f.full)
	f.ended.Wait()
	if err := f.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// finish flushes the file to disk and returns its SHA-256 sum and its size in bytes.
func (f *shardFile) finish() (sum string, size int64, err error) {
	err = f.drain()
	if err == nil && f.bytes%blockSize != 0 {
		err = f.file.Truncate(f.bytes)
	}
	if err == nil {
		err = f.file.Sync()
	}
	err = errors.Join(err, f.file.Close())
	return hex.EncodeToString(f.sum.Sum(nil)), f.bytes, err
}

// abandon closes the file. The caller removes it.
func (f *shardFile) abandon() error {
	_ = f.drain() // its content is not needed
	return f.file.Close()
}
