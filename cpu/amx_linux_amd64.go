package cpu

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// requestTiles asks Linux for permission to use tiles, which holds for all threads of the process: kernels before 5.16, gVisor
// and some containers refuse.
func requestTiles() error {
	const (
		getPermission = 0x1022 // ARCH_GET_XCOMP_PERM
		askPermission = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData      = 18
	)
	if _, _, problem := unix.RawSyscall(unix.SYS_ARCH_PRCTL, askPermission, tileData, 0); problem != 0 {
		return fmt.Errorf("the system refuses permission: %w", problem)
	}
	var permitted uint64
	if _, _, problem := unix.RawSyscall(unix.SYS_ARCH_PRCTL, getPermission, uintptr(unsafe.Pointer(&permitted)), 0); problem != 0 {
		return fmt.Errorf("the system does not say whether it permits it: %w", problem)
	}
	if permitted>>tileData&1 == 0 {
		return fmt.Errorf("the system does not permit it")
	}
	return nil
}
