//go:build !amd64

package cpu

import "errors"

// What only amd64 has. Nothing calls these functions elsewhere.

func amxUsable() error { return errors.ErrUnsupported }

func (v *vectors) quicken() {}

func tile512(int, *float32, int, int, *float32, int, *float32, int, int)     {}
func tile512half(int, *float32, int, int, *float32, int, *float32, int, int) {}
func tile256(int, *float32, int, int, *float32, int, *float32, int, int)     {}
func tileAMX(*amxTiles)                                                      {}
func softmaxRows(*uint16, int, *float32, int, int, int, *float32, *float32)  {}
func widen8(*float32, *uint16, int)                                          {}
func dot4(int, *float32, *float32, int, *float32)                            {}
func dot4BF16(int, *float32, *uint16, int, *float32)                         {}
func copyTerms8(*float32, int, *float32, *int, int, int)                     {}
func tileInts32(*intsTiles)                                                  {}
func tileInts32Mins(*intsTiles)                                              {}
func tileIntsSuper32(*intsTiles)                                             {}
func tileIntsSuper32Mins(*intsTiles)                                         {}
func tileIntsSuper16(*intsTiles)                                             {}
func tileIntsSuper16Mins(*intsTiles)                                         {}
func tileIntsY32(*intsTiles)                                                 {}
func tileIntsY32Mins(*intsTiles)                                             {}
func tileIntsYSuper32(*intsTiles)                                            {}
func tileIntsYSuper32Mins(*intsTiles)                                        {}
func tileIntsYSuper16(*intsTiles)                                            {}
func tileIntsYSuper16Mins(*intsTiles)                                        {}
func quantize(*int8, *float32, *float32, int, int)                           {}
