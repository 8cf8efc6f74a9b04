// Package mapped maps files of weights into memory and reads them without dying if
// they shrink.
package mapped

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"

	"reflectionflow"
)

var errNotRegular = errors.New("not a regular file")

// Open maps a file for reading. The data is valid until unmap is called. Errors are
// those of [Error] for the base name of the path.
func Open(path string) (data []byte, unmap func() error, err error) {
	data, unmap, err = mapFile(path)
	if err != nil {
		return nil, nil, Error(filepath.Base(path), err)
	}
	return data, unmap, nil
}

// Error adds the name of a file to an error of the operating system. A file that is
// missing or not a regular file gives an error wrapping [reflectionflow.ErrInvalid].
func Error(name string, err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		return fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, err)
	}
	return fmt.Errorf("open %s: %w", name, err)
}

// ErrFault says that mapped memory could not be read.
var ErrFault = errors.New("could not be read: the file changed while it was open, or its disk fails")

// Guard calls read and returns [ErrFault] for the memory fault of reading a mapped
// file that another process has cut short, or whose disk fails. Without it the
// program would die.
func Guard(read func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = ErrFault
		}
	}()
	read()
	return nil
}
