#include <stdint.h>

// The kinds of instructions, in the order of Counts.
enum {
	amxemu_configure,
	amxemu_store_configuration,
	amxemu_release,
	amxemu_zero,
	amxemu_load,
	amxemu_store,
	amxemu_pairs,
	amxemu_bytes,
	amxemu_kinds
};

int amxemu_install(void);
uint64_t amxemu_count(int kind);
int64_t amxemu_live(void);
