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
	// chunkSize is how many bytes of a shard are written at once.
	chunkSize = 1 << 20
	// chunkCount is how many chunks there are to be filled, written and hashed at a time.
	chunkCount = 8
	// blockSize is what a disk wants offsets, lengths and addresses to be multiples of when
	// it is written to directly.
	blockSize = 4096
)

// chunks is memory for shard files, which they give back.
type chunks chan []byte

// newChunks makes chunks that begin at a multiple of blockSize.
func newChunks() chunks {
	free := make(chunks, chunkCount)
	for range chunkCount {
		memory := make([]byte, chunkSize+blockSize)
		skip := -int(uintptr(unsafe.Pointer(&memory[0]))) & (blockSize - 1)
		free <- memory[skip : skip : skip+chunkSize]
	}
	return free
}

// shardFile is the file of a shard. What is written to it is gathered in chunks; one
// goroutine writes them to the disk and another hashes them while the next are filled.
// Where the system can, they go to the disk directly: copying them into its cache would
// take longer than all else, and drive out what is read more often than a set is.
type shardFile struct {
	file    *os.File
	direct  bool
	sum     hash.Hash
	bytes   int64
	free    chunks
	chunk   []byte      // that is filled
	full    chan []byte // to be written
	written chan []byte // to be hashed
	ended   sync.WaitGroup
	failed  atomic.Pointer[error] // of the first write that failed
}

var _ io.Writer = (*shardFile)(nil)

// createShardFile begins a file. When it is not needed any more, finish or abandon
// must be called.
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
			f.sum.Write(chunk) // a hash takes everything
			f.free <- chunk[:0]
		}
	})
	return f, nil
}

// Write implements [io.Writer]. It may report what went wrong with bytes of earlier
// calls.
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

// put appends a chunk to the file, up to a whole block, and remembers a failure. Only the
// last chunk is no whole number of blocks.
func (f *shardFile) put(chunk []byte) {
	if f.failed.Load() != nil {
		return
	}
	block := chunk[:(len(chunk)+blockSize-1)/blockSize*blockSize]
	clear(block[len(chunk):])
	_, err := f.file.Write(block)
	if f.direct && errors.Is(err, syscall.EINVAL) { // the disk wants larger blocks
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

// finish flushes the file to the disk and gives its SHA-256 sum and size in bytes.
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

// abandon closes the file, whatever is in it.
func (f *shardFile) abandon() error {
	_ = f.drain() // what it wrote is not wanted
	return f.file.Close()
}
