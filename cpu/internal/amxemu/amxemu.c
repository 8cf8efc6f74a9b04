//go:build amxemu && linux && amd64

#define _GNU_SOURCE
#include "amxemu.h"

#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

// The tiles of a thread, as the instructions leave them.
static __thread struct {
	int configured;
	uint8_t config[64];
	uint16_t colsb[8];
	uint8_t rows[8];
	uint8_t data[8][16][64];
} tiles;

static struct sigaction previous;
static uint64_t counts[amxemu_kinds];
static int64_t live;

uint64_t amxemu_count(int kind) { return __atomic_load_n(&counts[kind], __ATOMIC_RELAXED); }
int64_t amxemu_live(void) { return __atomic_load_n(&live, __ATOMIC_RELAXED); }

// fail ends the process: a processor with AMX raises an exception here.
static void fail(const char *why) {
	static const char head[] = "amxemu: ";
	ssize_t n = write(2, head, sizeof head - 1);
	n += write(2, why, strlen(why));
	n += write(2, "\n", 1);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void release(void) {
	if (tiles.configured) __atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED);
	memset(&tiles, 0, sizeof tiles);
}

static void configure(const uint8_t *from) {
	uint8_t config[64];
	memcpy(config, from, sizeof config);
	release();
	if (config[0] == 0) return;
	if (config[0] != 1) fail("LDTILECFG: palette is neither 0 nor 1");
	for (int i = 1; i < 64; i++) {
		int used = i >= 16 && i < 32 || i >= 48 && i < 56;
		if (!used && config[i]) fail("LDTILECFG: a start row or a reserved byte is not 0");
	}
	for (int i = 0; i < 8; i++) {
		int colsb = config[16 + 2 * i] | config[17 + 2 * i] << 8, rows = config[48 + i];
		if (colsb > 64 || rows > 16) fail("LDTILECFG: a tile is too large");
		if (!colsb != !rows) fail("LDTILECFG: a tile has rows or columns alone");
		tiles.colsb[i] = colsb;
		tiles.rows[i] = rows;
	}
	memcpy(tiles.config, config, sizeof config);
	tiles.configured = 1;
	__atomic_fetch_add(&live, 1, __ATOMIC_RELAXED);
}

static void need(int t) {
	if (!tiles.configured) fail("tiles are not configured");
	if (!tiles.rows[t]) fail("a tile that is used has no rows");
}

static void load(int t, const uint8_t *at, int64_t stride) {
	need(t);
	memset(tiles.data[t], 0, sizeof tiles.data[t]);
	for (int r = 0; r < tiles.rows[t]; r++) memcpy(tiles.data[t][r], at + r * stride, tiles.colsb[t]);
}

static void store(int t, uint8_t *at, int64_t stride) {
	need(t);
	for (int r = 0; r < tiles.rows[t]; r++) memcpy(at + r * stride, tiles.data[t][r], tiles.colsb[t]);
}

static void fits(int c, int a, int b) {
	need(a), need(b), need(c);
	if (a == b || a == c || b == c) fail("a product's tiles are not three");
	if (tiles.colsb[a] % 4 || tiles.colsb[b] % 4 || tiles.colsb[c] % 4) fail("a product's tile has a part of a word");
	if (tiles.rows[c] != tiles.rows[a] || tiles.colsb[c] != tiles.colsb[b] || tiles.colsb[a] / 4 != tiles.rows[b]) fail("a product's tiles do not fit");
}

// pairs is TDPBF16PS: the first and the second numbers of pairs have sums of their own, which are added at the end. Every step is
// rounded to nearest even; subnormal numbers are zero.
static void pairs(int c, int a, int b) {
	fits(c, a, b);
	_mm_setcsr(_MM_MASK_MASK | _MM_FLUSH_ZERO_ON | 0x40 /* denormals are zeros */);
	int words = tiles.rows[b];
	float low[16][16], high[16][16];
	for (int k = 0; k < words; k++) {
		uint32_t row[16];
		memcpy(row, tiles.data[b][k], sizeof row);
		for (int n = 0; n < 16; n++) {
			uint32_t l = row[n] << 16, h = row[n] & 0xffff0000;
			memcpy(&low[k][n], &l, 4);
			memcpy(&high[k][n], &h, 4);
		}
	}
	for (int m = 0; m < tiles.rows[c]; m++) {
		__m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
		uint32_t row[16];
		memcpy(row, tiles.data[a][m], sizeof row);
		for (int k = 0; k < words; k++) {
			__m512 l = _mm512_castsi512_ps(_mm512_set1_epi32(row[k] << 16)), h = _mm512_castsi512_ps(_mm512_set1_epi32(row[k] & 0xffff0000));
			even = _mm512_fmadd_ps(l, _mm512_loadu_ps(low[k]), even);
			odd = _mm512_fmadd_ps(h, _mm512_loadu_ps(high[k]), odd);
		}
		__mmask16 used = (1u << tiles.colsb[c] / 4) - 1;
		__m512 sum = _mm512_add_ps(_mm512_loadu_ps(tiles.data[c][m]), _mm512_add_ps(even, odd));
		_mm512_storeu_ps(tiles.data[c][m], _mm512_maskz_mov_ps(used, sum));
	}
}

// bytes is TDPBSSD and its kin.
static void bytes(int c, int a, int b, int signedA, int signedB) {
	fits(c, a, b);
	for (int m = 0; m < tiles.rows[c]; m++) {
		for (int n = 0; n < tiles.colsb[c] / 4; n++) {
			uint32_t sum;
			memcpy(&sum, &tiles.data[c][m][4 * n], 4);
			for (int k = 0; k < 4 * tiles.rows[b]; k++) {
				uint8_t x = tiles.data[a][m][k], y = tiles.data[b][k / 4][4 * n + k % 4];
				sum += (uint32_t)((signedA ? (int8_t)x : x) * (signedB ? (int8_t)y : y));
			}
			memcpy(&tiles.data[c][m][4 * n], &sum, 4);
		}
	}
}

static int64_t reg(ucontext_t *u, int n) {
	static const int place[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	return u->uc_mcontext.gregs[place[n]];
}

// operand decodes the operand in memory of the instruction whose ModRM byte is at p, and returns the place after it. A register
// that is multiplied counts to the stride, and not to the address, if stride is not NULL.
static const uint8_t *operand(ucontext_t *u, const uint8_t *p, int x, int b, uint8_t **at, int64_t *stride) {
	int mod = *p >> 6, rm = *p & 7;
	int64_t address = 0;
	p++;
	if (rm == 4) {
		int scale = *p >> 6, index = (*p >> 3 & 7) | x, base = *p & 7;
		p++;
		if (index != 4) {
			int64_t v = (int64_t)((uint64_t)reg(u, index) << scale);
			if (stride) *stride = v;
			else address += v;
		}
		if (base == 5 && mod == 0) {
			int32_t d;
			memcpy(&d, p, 4);
			p += 4;
			address += d;
		} else {
			address += reg(u, base | b);
		}
	} else if (stride || (rm == 5 && mod == 0)) {
		return NULL;
	} else {
		address += reg(u, rm | b);
	}
	if (mod == 1) {
		address += (int8_t)*p++;
	} else if (mod == 2) {
		int32_t d;
		memcpy(&d, p, 4);
		p += 4;
		address += d;
	}
	*at = (uint8_t *)address;
	return p;
}

enum { none, p66, pF3, pF2 };

// execute executes the instruction at p, and returns the place of the next, or NULL if it is none of AMX.
static const uint8_t *execute(ucontext_t *u, const uint8_t *p) {
	if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84) != 0) return NULL; // VEX.128.0F38.W0
	int x = p[1] & 0x40 ? 0 : 8, b = p[1] & 0x20 ? 0 : 8, v = ~p[2] >> 3 & 15, prefix = p[2] & 3, op = p[3], modrm = p[4];
	int r = modrm >> 3 & 7, m = modrm & 7, registers = modrm >> 6 == 3, kind;
	if (!(p[1] & 0x80)) return NULL;
	const uint8_t *next = p + 5;
	uint8_t *at;
	int64_t stride = 0;
	switch (op) {
	case 0x49:
		if (v != 0) return NULL;
		if (registers && prefix == none && modrm == 0xc0) {
			kind = amxemu_release;
			release();
			break;
		}
		if (registers && prefix == pF2 && m == 0) {
			kind = amxemu_zero;
			need(r);
			memset(tiles.data[r], 0, sizeof tiles.data[r]);
			break;
		}
		if (registers || r != 0 || prefix > p66 || !(next = operand(u, p + 4, x, b, &at, NULL))) return NULL;
		if (prefix == none) {
			kind = amxemu_configure;
			configure(at);
		} else {
			kind = amxemu_store_configuration;
			memcpy(at, tiles.config, 64);
		}
		break;
	case 0x4b:
		if (v != 0 || registers || prefix == none || !(next = operand(u, p + 4, x, b, &at, &stride))) return NULL;
		if (prefix == pF3) {
			kind = amxemu_store;
			store(r, at, stride);
		} else {
			kind = amxemu_load;
			load(r, at, stride);
		}
		break;
	case 0x5c:
		if (!registers || prefix != pF3 || v > 7) return NULL;
		kind = amxemu_pairs;
		pairs(r, m, v);
		break;
	case 0x5e:
		if (!registers || v > 7) return NULL;
		kind = amxemu_bytes;
		bytes(r, m, v, prefix >= pF3, prefix == pF2 || prefix == p66 ? 1 : 0);
		break;
	default:
		return NULL;
	}
	__atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED);
	return next;
}

static void handle(int number, siginfo_t *info, void *context) {
	ucontext_t *u = context;
	const uint8_t *next = execute(u, (const uint8_t *)u->uc_mcontext.gregs[REG_RIP]);
	if (next) {
		u->uc_mcontext.gregs[REG_RIP] = (greg_t)next;
	} else if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(number, info, context);
	} else {
		fail("an illegal instruction that is none of AMX");
	}
}

int amxemu_install(void) {
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = handle;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigfillset(&action.sa_mask);
	int problem = sigaction(SIGILL, &action, &previous);
	if (!problem) __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); // TILERELEASE: see Install
	return problem;
}
