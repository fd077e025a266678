// SPDX-License-Identifier: MIT
/*
 * Which measurements an OS image has
 *
 * Copyright The dstack for Linux authors
 */
#include "images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH	32
#define BOOTED	3		/* registers that the image decides */

struct machine {
	uint8_t image[HASH];
	uint8_t mr_td[DSTACK_REGISTER_SIZE];
	uint8_t rtmr[BOOTED][DSTACK_REGISTER_SIZE];
};

struct images {
	size_t nr;
	struct machine machines[];
};

static int read_bytes(const struct app_json *json, const char *field,
		      uint8_t *out, size_t len)
{
	bool found = false;
	int err = app_json_id(json, field, out, len, &found);

	if (!err && !found)
		err = app_json_refuse(json, field, "has to be there");
	return err;
}

static int read_machine(const struct app_json *list, yyjson_val *value,
			struct machine *machine)
{
	static const char *const known[] = {
		"os_image_hash", "mrtd", "rtmr0", "rtmr1", "rtmr2", NULL
	};
	struct app_json json = *list;
	int i, err;

	if (!yyjson_is_obj(value))
		return app_json_refuse(list, list->object,
				       "want a list of objects");
	json.value = value;
	err = app_json_check(&json, known) ?:
		read_bytes(&json, known[0], machine->image, HASH) ?:
		read_bytes(&json, known[1], machine->mr_td,
			   sizeof(machine->mr_td));
	for (i = 0; !err && i < BOOTED; i++)
		err = read_bytes(&json, known[2 + i], machine->rtmr[i],
				 sizeof(machine->rtmr[i]));
	return err;
}

int images_read(const struct app_json *json, const char *field,
		struct images **out)
{
	yyjson_val *list = app_json_find(json, field), *value;
	struct app_json inner = *json;
	struct images *images;
	size_t i, nr;
	int err = 0;

	if (list &&
	    (!yyjson_is_arr(list) || yyjson_arr_size(list) > IMAGES_MAX))
		return app_json_refuse(json, field, "want a list of %d at most",
				       IMAGES_MAX);
	images = calloc(1, sizeof(*images) +
			yyjson_arr_size(list) * sizeof(images->machines[0]));
	if (!images)
		return -ENOMEM;
	inner.object = field;
	yyjson_arr_foreach(list, i, nr, value)
		if (!err)
			err = read_machine(&inner, value,
					   &images->machines[images->nr++]);
	if (err)
		images_free(images);
	else
		*out = images;
	return err;
}

void images_free(struct images *images)
{
	free(images);
}

bool images_know(const struct images *images, const struct libdstack_td *td,
		 const struct libdstack_id *os_image_hash)
{
	const struct machine *machine = images->machines;
	size_t i;

	if (os_image_hash->len != HASH)
		return false;
	for (i = 0; i < images->nr; i++, machine++)
		if (!memcmp(machine->image, os_image_hash->data, HASH) &&
		    !memcmp(machine->mr_td, td->mr_td, sizeof(td->mr_td)) &&
		    !memcmp(machine->rtmr, td->rtmr, sizeof(machine->rtmr)))
			return true;
	return false;
}
