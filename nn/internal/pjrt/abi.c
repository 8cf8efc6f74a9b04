//go:build xla

#include "abi.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

const rf_api *rf_open(const char *path, const char **problem) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!library) {
		*problem = dlerror();
		return NULL;
	}
	const rf_api *(*table)(void) = (const rf_api *(*)(void))dlsym(library, "GetPjrtApi");
	const rf_api *api = table ? table() : NULL;
	if (!api) {
		*problem = "it is not a PJRT plugin";
		dlclose(library);
	}
	return api;
}

static rf_error *compile(void *args) { return rfCompile(args); }

rf_api *rf_caching(const rf_api *api) {
	rf_api *copy = malloc(api->size);
	if (!copy) abort();
	memcpy(copy, api, api->size);
	copy->functions[RF_CLIENT_COMPILE] = compile;
	return copy;
}

rf_error *rf_call_compile(const rf_api *api, rf_compile *args) { return api->functions[RF_CLIENT_COMPILE](args); }

rf_error *rf_load(const rf_api *api, void *client, const void *data, size_t size, void **loaded) {
	struct {
		size_t size;
		void *extensions;
		void *client;
		const void *data;
		size_t data_size;
		void *loaded; // out
		const char *options; // those of the executable
		size_t options_size;
	} args = {.client = client, .data = data, .data_size = size};
	args.size = sizeof args;
	rf_error *error = api->functions[RF_DESERIALIZE_AND_LOAD](&args);
	*loaded = args.loaded;
	return error;
}

rf_error *rf_serialize(const rf_api *api, void *loaded, rf_serialized *out) {
	struct {
		size_t size;
		void *extensions;
		void *loaded;
		void *executable; // out
	} get = {.loaded = loaded};
	get.size = sizeof get;
	rf_error *error = api->functions[RF_LOADED_GET_EXECUTABLE](&get);
	if (error) return error;
	struct {
		size_t size;
		void *extensions;
		const void *executable;
		rf_serialized out;
	} args = {.executable = get.executable};
	args.size = sizeof args;
	error = api->functions[RF_EXECUTABLE_SERIALIZE](&args);
	*out = args.out;
	struct {
		size_t size;
		void *extensions;
		void *executable;
	} destroy = {.executable = get.executable};
	destroy.size = sizeof destroy;
	rf_error *second = api->functions[RF_EXECUTABLE_DESTROY](&destroy);
	if (second) rf_destroy_error(api, second);
	return error;
}

void rf_release(rf_serialized *s) {
	if (s->deleter) s->deleter(s->backing);
}

rf_text rf_message(const rf_api *api, rf_error *error) {
	struct {
		size_t size;
		void *extensions;
		const rf_error *error;
		rf_text out;
	} args = {.error = error};
	args.size = sizeof args;
	((void (*)(void *))api->functions[RF_ERROR_MESSAGE])(&args);
	return args.out;
}

void rf_destroy_error(const rf_api *api, rf_error *error) {
	struct {
		size_t size;
		void *extensions;
		rf_error *error;
	} args = {.error = error};
	args.size = sizeof args;
	((void (*)(void *))api->functions[RF_ERROR_DESTROY])(&args);
}

rf_error *rf_client_text(const rf_api *api, int function, void *client, rf_text *out) {
	struct {
		size_t size;
		void *extensions;
		void *client;
		rf_text out;
	} args = {.client = client};
	args.size = sizeof args;
	rf_error *error = api->functions[function](&args);
	*out = args.out;
	return error;
}

rf_error *rf_devices(const rf_api *api, void *client, void *const **devices, size_t *count) {
	struct {
		size_t size;
		void *extensions;
		void *client;
		void *const *devices;
		size_t count;
	} args = {.client = client};
	args.size = sizeof args;
	rf_error *error = api->functions[RF_CLIENT_ADDRESSABLE_DEVICES](&args);
	*devices = args.devices;
	*count = args.count;
	return error;
}

rf_error *rf_device_kind(const rf_api *api, void *device, rf_text *out) {
	struct {
		size_t size;
		void *extensions;
		void *device;
		void *description; // out
	} get = {.device = device};
	get.size = sizeof get;
	rf_error *error = api->functions[RF_DEVICE_GET_DESCRIPTION](&get);
	if (error) return error;
	return rf_client_text(api, RF_DESCRIPTION_KIND, get.description, out);
}
