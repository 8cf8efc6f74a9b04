// The part of PJRT's C interface that the cache calls. Layouts and the order of functions are those of version 0.x of
// pjrt_c_api.h of OpenXLA, which only adds at the end.
#ifndef REFLECTIONFLOW_PJRT_ABI_H
#define REFLECTIONFLOW_PJRT_ABI_H

#include <stddef.h>

typedef struct rf_error rf_error;
typedef rf_error *(*rf_function)(void *args);

// Positions in rf_api.functions.
enum {
	RF_ERROR_DESTROY = 0,
	RF_ERROR_MESSAGE = 1,
	RF_CLIENT_PLATFORM_NAME = 12,
	RF_CLIENT_PLATFORM_VERSION = 14,
	RF_CLIENT_ADDRESSABLE_DEVICES = 16,
	RF_CLIENT_COMPILE = 20,
	RF_DESCRIPTION_KIND = 26,
	RF_DEVICE_GET_DESCRIPTION = 29,
	RF_EXECUTABLE_DESTROY = 40,
	RF_EXECUTABLE_SERIALIZE = 49,
	RF_LOADED_GET_EXECUTABLE = 51,
	RF_DESERIALIZE_AND_LOAD = 56,
	RF_FUNCTIONS = 57, // that must be there
};

typedef struct {
	size_t size;
	void *extensions;
	struct {
		size_t size;
		void *extensions;
		int major, minor;
	} version;
	rf_function functions[];
} rf_api;

typedef struct {
	size_t size;
	void *extensions;
	char *code;
	size_t code_size;
	const char *format;
	size_t format_size;
} rf_program;

typedef struct {
	size_t size;
	void *extensions;
	void *client;
	const rf_program *program;
	const char *options;
	size_t options_size;
	void *loaded; // out
} rf_compile;

// rf_open loads the plugin at path. On failure it returns NULL and sets problem, which lives until the next call.
const rf_api *rf_open(const char *path, const char **problem);

// rf_caching returns a copy of the plugin's table whose compile function is rfCompile. It is never freed.
rf_api *rf_caching(const rf_api *api);

rf_error *rf_call_compile(const rf_api *api, rf_compile *args);

// rf_load makes a loaded executable of a serialized one.
rf_error *rf_load(const rf_api *api, void *client, const void *data, size_t size, void **loaded);

// rf_serialized is a serialized executable; rf_release frees it.
typedef struct {
	const char *bytes;
	size_t size;
	void *backing;
	void (*deleter)(void *backing);
} rf_serialized;

rf_error *rf_serialize(const rf_api *api, void *loaded, rf_serialized *out);
void rf_release(rf_serialized *s);

// rf_text is a text of the plugin's.
typedef struct {
	const char *bytes;
	size_t size;
} rf_text;

rf_text rf_message(const rf_api *api, rf_error *error);
void rf_destroy_error(const rf_api *api, rf_error *error);
rf_error *rf_client_text(const rf_api *api, int function, void *client, rf_text *out);
rf_error *rf_devices(const rf_api *api, void *client, void *const **devices, size_t *count);
rf_error *rf_device_kind(const rf_api *api, void *device, rf_text *out);

#endif
