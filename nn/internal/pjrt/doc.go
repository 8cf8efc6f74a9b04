// Package pjrt opens PJRT plugins so that the programs that XLA compiles are kept on disk between starts. It is empty in
// builds without -tags xla.
//
// The binding go-xla does not call the two functions of PJRT that serialize a compiled program and load it again. This
// package loads the plugin itself and gives go-xla a copy of the plugin's table of functions, in which the one that
// compiles looks into a [diskcache.Folder] first, and puts there what it compiled. All else is the plugin's.
package pjrt
