//go:build amxemu && linux && amd64

// Package amxemu executes the instructions of Intel's AMX on processors that lack them, for tests: after [Install], the kernel's
// signal for an illegal instruction ends in a handler that does what the instruction does and goes on behind it. A thread has its
// own tiles, as on a processor.
//
// It follows the pseudo code of Intel's Software Developer's Manual: LDTILECFG, STTILECFG, TILERELEASE, TILEZERO, TILELOADD,
// TILELOADDT1, TILESTORED, TDPBF16PS and the four products of bytes. What raises an exception on a processor with AMX, such as
// tiles that do not fit or are not configured, ends the process with a line that says why. A signal takes some microseconds: the
// package says nothing about speed.
//
// The build tag amxemu is for tests, and needs cgo.
package amxemu

/*
#cgo CFLAGS: -O3 -mavx512f -mavx512bw -Wall -Wno-parentheses
#include "amxemu.h"
*/
import "C"

import "errors"

// Counts are the numbers of instructions that were executed.
type Counts struct{ Configure, StoreConfiguration, Release, Zero, Load, Store, Pairs, Bytes uint64 }

// Executed returns how many instructions were executed since Install.
func Executed() Counts {
	n := func(kind C.int) uint64 { return uint64(C.amxemu_count(kind)) }
	return Counts{
		n(C.amxemu_configure), n(C.amxemu_store_configuration), n(C.amxemu_release), n(C.amxemu_zero),
		n(C.amxemu_load), n(C.amxemu_store), n(C.amxemu_pairs), n(C.amxemu_bytes),
	}
}

// Live returns the number of threads whose tiles are configured.
func Live() int { return int(C.amxemu_live()) }

// Install makes the instructions work from now on, in all threads. Other illegal instructions do what they did before.
func Install() error {
	if C.amxemu_install() != 0 {
		return errors.New("amxemu: cannot set the handler of SIGILL")
	}
	if Executed().Release != 1 {
		return errors.New("amxemu: this processor executes TILERELEASE itself")
	}
	return nil
}
