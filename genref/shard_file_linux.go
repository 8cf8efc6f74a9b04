package genref

import (
	"os"

	"golang.org/x/sys/unix"
)

// openDirect creates a file, for direct writing if the file system supports it.
func openDirect(path string) (file *os.File, direct bool, err error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if file, err = os.OpenFile(path, flags|unix.O_DIRECT, 0o644); err == nil {
		return file, true, nil
	}
	file, err = os.OpenFile(path, flags, 0o644)
	return file, false, err
}

// indirect switches a file from direct to cached writing.
func indirect(file *os.File) error {
	connection, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = connection.Control(func(fd uintptr) {
		var flags int
		if flags, refused = unix.FcntlInt(fd, unix.F_GETFL, 0); refused == nil {
			_, refused = unix.FcntlInt(fd, unix.F_SETFL, flags&^unix.O_DIRECT)
		}
	})
	if err == nil {
		err = refused
	}
	return err
}
