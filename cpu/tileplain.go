package cpu

import "unsafe"

// tilePlain is the micro-kernel in portable Go: 4 rows and 16 columns, two rows and four columns at a time.
func tilePlain(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int) {
	for i := 0; i < 4; i += 2 {
		for j := 0; j < 64; j += 16 {
			a0 := unsafe.Add(unsafe.Pointer(a), i*ars)
			b0 := unsafe.Add(unsafe.Pointer(b), j)
			c0 := (*[4]float32)(unsafe.Add(unsafe.Pointer(c), i*ldc+j))
			c1 := (*[4]float32)(unsafe.Add(unsafe.Pointer(c), (i+1)*ldc+j))
			var x0, x1, x2, x3, y0, y1, y2, y3 float32
			if acc != 0 {
				x0, x1, x2, x3 = c0[0], c0[1], c0[2], c0[3]
				y0, y1, y2, y3 = c1[0], c1[1], c1[2], c1[3]
			}
			for p := range k {
				u, v := *(*float32)(unsafe.Add(a0, p*acs)), *(*float32)(unsafe.Add(a0, p*acs+ars))
				w := (*[4]float32)(unsafe.Add(b0, p*bs))
				x0 += u * w[0]
				x1 += u * w[1]
				x2 += u * w[2]
				x3 += u * w[3]
				y0 += v * w[0]
				y1 += v * w[1]
				y2 += v * w[2]
				y3 += v * w[3]
			}
			c0[0], c0[1], c0[2], c0[3] = x0, x1, x2, x3
			c1[0], c1[1], c1[2], c1[3] = y0, y1, y2, y3
		}
	}
}
